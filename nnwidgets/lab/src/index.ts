/** JupyterLab's part of nnwidgets. The dashboards work without it; with it they can be docked, and steered from anywhere. */
import { ILabShell, JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ICommandPalette } from '@jupyterlab/apputils';
import { ILauncher } from '@jupyterlab/launcher';
import { INotebookTracker } from '@jupyterlab/notebook';
import { IRenderMimeRegistry } from '@jupyterlab/rendermime';
import { ISettingRegistry } from '@jupyterlab/settingregistry';
import { IStatusBar } from '@jupyterlab/statusbar';

import { wakeDashboards } from './busy';
import { addCommands } from './commands';
import { Dashboards } from './dashboards';
import { Area, Docks } from './dock';
import { addCards } from './launcher';
import { saveNotes, showNotes } from './saved';
import { openLines } from './source';
import { addStatus } from './status';

const ID = 'nnwidgets:plugin';

const plugin: JupyterFrontEndPlugin<void> = {
  id: ID,
  description: "Docks nnwidgets' dashboards, and steers training from palette, keyboard and status bar.",
  autoStart: true,
  optional: [INotebookTracker, ILabShell, ICommandPalette, IStatusBar, ILauncher, IRenderMimeRegistry, ISettingRegistry],
  activate: (
    app: JupyterFrontEnd,
    notebooks: INotebookTracker | null,
    labShell: ILabShell | null,
    palette: ICommandPalette | null,
    statusBar: IStatusBar | null,
    launcher: ILauncher | null,
    rendermime: IRenderMimeRegistry | null,
    settings: ISettingRegistry | null
  ) => {
    const dashboards = new Dashboards();
    const docks = new Docks(app, labShell, notebooks, dashboards);
    addCommands(app, dashboards, docks, notebooks, palette);
    addCards(app, launcher);
    if (notebooks) {
      openLines(app, dashboards, notebooks);
      saveNotes(notebooks);
      wakeDashboards(notebooks);
    }
    if (rendermime) {
      showNotes(rendermime, dashboards);
    }
    if (statusBar) {
      addStatus(statusBar, dashboards, notebooks, dashboard => void docks.reveal(dashboard));
    }
    void settings?.load(ID).then(loaded => {
      const apply = (): void => {
        docks.area = loaded.get('dockArea').composite as Area;
        docks.dockNew = Boolean(loaded.get('dockNew').composite);
      };
      loaded.changed.connect(apply);
      apply();
    });
    // lets the dashboards offer what needs the extension
    document.body.classList.add('nnw-lab');
  }
};

export default plugin;
