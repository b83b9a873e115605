/** The state of the run in JupyterLab's status bar. */
import type { INotebookTracker } from '@jupyterlab/notebook';
import type { IStatusBar } from '@jupyterlab/statusbar';
import { Signal } from '@lumino/signaling';
import { Widget } from '@lumino/widgets';

import type { Dashboard, Dashboards } from './dashboards';

class StatusItem extends Widget {
  constructor(
    private readonly dashboards: Dashboards,
    private readonly notebooks: INotebookTracker | null,
    chosen: (dashboard: Dashboard) => void
  ) {
    super({ node: document.createElement('button') });
    this.addClass('nnw-status-item');
    // states are read out, each step's number is not
    this.spoken.setAttribute('role', 'status');
    this.spoken.setAttribute('aria-live', 'polite');
    this.spoken.className = 'nnw-spoken';
    this.node.append(this.seen, this.spoken);
    this.node.addEventListener('click', () => this.dashboard && chosen(this.dashboard));
    const show = (): void => this.render();
    dashboards.changed.connect(show);
    dashboards.added.connect((_, dashboard) => dashboard.changed.connect(show));
    notebooks?.currentChanged.connect(show);
    document.addEventListener('visibilitychange', show);
  }

  get active(): boolean {
    return this.dashboard !== undefined;
  }

  readonly activeChanged = new Signal<this, void>(this);

  private render(): void {
    const before = this.dashboard;
    this.dashboard = this.dashboards.current(this.notebooks?.currentWidget?.context);
    if (before && before !== this.dashboard) {
      before.watch(false);
    }
    this.dashboard?.watch(!document.hidden);
    if (this.dashboard) {
      const { state: told, step, target, message, problems, warnings, finding } = this.dashboard.standing;
      const state = this.dashboard.connected ? told : 'out of reach';
      const steps = `step ${step.toLocaleString('en')}${target ? ` of ${target.toLocaleString('en')}` : ''}`;
      const found = problems ? count(problems, 'problem') : warnings ? count(warnings, 'warning') : '';
      const news = [found, finding].filter(Boolean).join(': ');
      this.seen.textContent = `NN: ${[state || 'ready', steps, found].filter(Boolean).join(' · ')}`;
      this.node.toggleAttribute('data-problems', problems > 0);
      this.node.title = [`Training is ${state || 'ready'}, ${steps}.`, message, news, 'Click to show the dashboard.'].filter(Boolean).join('\n');
      const words = [`Training ${state}`, state === 'paused' ? steps : '', news].filter(Boolean).join(', ');
      if (this.spoken.textContent !== words) {
        this.spoken.textContent = words;
      }
    }
    if (before !== this.dashboard) {
      this.activeChanged.emit();
    }
  }

  private dashboard: Dashboard | undefined;
  private readonly seen = document.createElement('span');
  private readonly spoken = document.createElement('span');
}

export function addStatus(
  bar: IStatusBar,
  dashboards: Dashboards,
  notebooks: INotebookTracker | null,
  chosen: (dashboard: Dashboard) => void
): void {
  const item = new StatusItem(dashboards, notebooks, chosen);
  bar.registerStatusItem('nnwidgets:status', {
    item,
    align: 'left',
    rank: 10,
    isActive: () => item.active,
    activeStateChanged: item.activeChanged
  });
}

function count(number: number, word: string): string {
  return `${number} ${word}${number === 1 ? '' : 's'}`;
}
