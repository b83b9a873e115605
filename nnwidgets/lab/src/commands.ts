/** What can be asked of a run from the palette and the keyboard. */
import type { JupyterFrontEnd } from '@jupyterlab/application';
import type { ICommandPalette } from '@jupyterlab/apputils';
import type { INotebookTracker } from '@jupyterlab/notebook';

import type { Dashboard, Dashboards } from './dashboards';
import type { Docks } from './dock';

const CATEGORY = 'nnwidgets';

/** The run's own commands: the id, which is also the name that Python knows, and its words. */
const COMMANDS: ReadonlyArray<[string, string, string]> = [
  ['pause', 'Pause or Resume Training', 'Hold the run between two steps, or let it go on'],
  ['step', 'Make One Training Step', 'Make exactly one step and hold again'],
  ['back', 'Go One Training Step Back', 'Go back one step, exactly'],
  ['check', 'Run All Checks', 'Go down the whole checklist at the state as it is now'],
  ['gradcheck', 'Check Gradients', 'Compare every gradient with the slope of the loss']
];

export function addCommands(
  app: JupyterFrontEnd,
  dashboards: Dashboards,
  docks: Docks,
  notebooks: INotebookTracker | null,
  palette: ICommandPalette | null
): void {
  const current = (): Dashboard | undefined => dashboards.current(notebooks?.currentWidget?.context);
  const add = (name: string, label: string, caption: string, can: () => boolean, execute: () => unknown): void => {
    const command = `nnwidgets:${name}`;
    app.commands.addCommand(command, {
      label,
      caption,
      isEnabled: can,
      execute,
      describedBy: { args: { type: 'object', properties: {} } }
    });
    palette?.addItem({ command, category: CATEGORY });
  };
  for (const [name, label, caption] of COMMANDS) {
    add(name, label, caption, () => current()?.standing.can.includes(name) ?? false, () => current()?.command(name));
  }
  add('dock', 'Dock the Dashboard', 'Show it in a place of its own, in sight while cells are edited', () => !!current(), () => {
    const dashboard = current();
    return dashboard && docks.dock(dashboard);
  });
  document.addEventListener('click', event => {
    const button = (event.target as Element | null)?.closest?.('.nnw-dock');
    const dashboard = button && dashboards.around(button);
    if (dashboard) {
      void docks.dock(dashboard);
    }
  });
  const told = (): void => app.commands.notifyCommandChanged();
  dashboards.changed.connect(told);
  dashboards.added.connect((_, dashboard) => dashboard.changed.connect(told));
}
