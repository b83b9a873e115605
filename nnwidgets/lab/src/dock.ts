/** Dashboards in a place of their own, in sight while cells are edited. */
import type { ILabShell, JupyterFrontEnd } from '@jupyterlab/application';
import type { INotebookTracker } from '@jupyterlab/notebook';
import type { Message } from '@lumino/messaging';
import { PanelLayout, Widget } from '@lumino/widgets';

import type { Dashboard, Dashboards } from './dashboards';
import { icon } from './icon';

const DOCKED = 'nnwidgets:docked';
const SETTLING = 10_000;

export type Area = 'beside' | 'right' | 'tab';

/** A place for one dashboard; when its cell is run again, the new one takes the place of the old. */
class Dock extends Widget {
  constructor(public dashboard: Dashboard) {
    super();
    this.id = `nnwidgets-dock-${dashboard.root}`;
    this.addClass('nnw-dock-panel');
    this.title.icon = icon;
    this.title.closable = true;
    this.node.tabIndex = -1;
    this.layout = new PanelLayout();
  }

  /** When it was made anew for a page that was loaded again, in milliseconds. */
  restored = -Infinity;

  /** A dock that is closed is gone; its dashboard stays in its cell. */
  protected onCloseRequest(message: Message): void {
    super.onCloseRequest(message);
    this.dispose();
  }

  /** Show this dashboard instead. */
  async showDashboard(dashboard: Dashboard, name: string): Promise<void> {
    const model = await dashboard.manager.get_model(dashboard.root);
    const view = await dashboard.manager.create_view(model);
    if (this.isDisposed) {
      return;
    }
    remember(this.dashboard, false);
    remember(dashboard, true);
    this.dashboard = dashboard;
    this.title.label = name;
    this.title.caption = `Training of ${name}`;
    const layout = this.layout as PanelLayout;
    for (const old of [...layout.widgets]) {
      old.dispose();
    }
    layout.addWidget(view.luminoWidget);
  }
}

/** The docks of this page. */
export class Docks {
  constructor(
    private readonly app: JupyterFrontEnd,
    private readonly labShell: ILabShell | null,
    private readonly notebooks: INotebookTracker | null,
    dashboards: Dashboards
  ) {
    dashboards.added.connect((_, dashboard) => void this.follow(dashboard));
  }

  /** Where a new dock goes. */
  area: Area = 'beside';

  /** Whether each dashboard that comes is docked. */
  dockNew = false;

  /** Dock a dashboard, or bring its dock to the front. */
  async dock(dashboard: Dashboard, restored = -Infinity): Promise<void> {
    const there = this.docks.find(each => each.dashboard === dashboard);
    if (there) {
      this.app.shell.activateById(there.id);
      return;
    }
    const dock = new Dock(dashboard);
    dock.restored = restored;
    // before anything is waited for: whoever asks again finds it
    this.docks.push(dock);
    dock.disposed.connect(() => {
      this.docks.splice(this.docks.indexOf(dock), 1);
      remember(dock.dashboard, false);
    });
    try {
      await dock.showDashboard(dashboard, this.name(dashboard));
    } catch (error) {
      dock.dispose();
      throw error;
    }
    // Notebook 7 has one main area for one document: there a dock goes to the side
    if (this.labShell && this.area !== 'right') {
      const notebook = this.notebook(dashboard);
      const options = this.area === 'beside' && notebook ? { mode: 'split-right' as const, ref: notebook.id } : {};
      this.labShell.add(dock, 'main', options);
    } else {
      this.app.shell.add(dock, 'right', { rank: 500 });
    }
    this.app.shell.activateById(dock.id);
  }

  /** Bring a dashboard into view: its dock, else the cell that shows it; one that is shown nowhere is docked. */
  async reveal(dashboard: Dashboard): Promise<void> {
    const notebook = this.notebook(dashboard);
    const shown = document.querySelector(`.jp-OutputArea .nnw[data-nnw-root="${CSS.escape(dashboard.root)}"]`);
    if (this.docks.some(each => each.dashboard === dashboard) || !notebook || !shown) {
      await this.dock(dashboard);
      return;
    }
    this.app.shell.activateById(notebook.id);
    shown.scrollIntoView({ block: 'start' });
  }

  /** A dashboard whose cell was run again is docked in the place of the one before, and one of a page that is loaded again. */
  private async follow(dashboard: Dashboard): Promise<void> {
    if (docked().includes(dashboard.root)) {
      await this.dock(dashboard, performance.now());
      return;
    }
    for (const dock of [...this.docks]) {
      // the cell of one that came back may not show it yet
      const settled = performance.now() - dock.restored > SETTLING;
      if (settled && dock.dashboard.manager === dashboard.manager && !(await seenElsewhere(dock.dashboard))) {
        await dock.showDashboard(dashboard, this.name(dashboard));
        return;
      }
    }
    if (this.dockNew) {
      await this.dock(dashboard);
    }
  }

  private notebook(dashboard: Dashboard) {
    return this.notebooks?.find(panel => panel.context === dashboard.manager.context);
  }

  private name(dashboard: Dashboard): string {
    return this.notebook(dashboard)?.title.label ?? 'nnwidgets';
  }

  private readonly docks: Dock[] = [];
}

/** The roots of the dashboards that are docked in this tab of the browser; they outlive a page that is loaded again. */
function docked(): string[] {
  return JSON.parse(sessionStorage.getItem(DOCKED) ?? '[]');
}

function remember(dashboard: Dashboard, isDocked: boolean): void {
  const others = docked().filter(each => each !== dashboard.root);
  sessionStorage.setItem(DOCKED, JSON.stringify(isDocked ? [...others, dashboard.root] : others));
}

/** Whether a dashboard, shown in a dock, is shown in a cell, too. */
async function seenElsewhere(dashboard: Dashboard): Promise<boolean> {
  if (!dashboard.alive) {
    return false;
  }
  const model = await dashboard.manager.get_model(dashboard.root);
  return Object.keys(model.views ?? {}).length > 1;
}
