/**
 * The dashboards in the page, as panels/static/echo.js tells of them: by events of the document, so that the dashboard needs
 * nothing of JupyterLab, and the extension no widget class of its own.
 */
import type { Kernel } from '@jupyterlab/services';
import { ISignal, Signal } from '@lumino/signaling';
import type { Widget } from '@lumino/widgets';

/** Where the run stands: panels/_standing.py. */
export interface Standing {
  state: string;
  step: number;
  target: number;
  message: string;
  problems: number;
  warnings: number;
  finding: string;
  can: string[];
}

/** The part of a widget manager that is used here; `context` is that of a notebook, missing in a console. */
export interface WidgetManager {
  kernel?: Kernel.IKernelConnection | null;
  get_model(id: string): Promise<any>;
  create_view(model: any, options?: object): Promise<{ luminoWidget: Widget }>;
  context?: unknown;
}

interface EchoModel {
  get(name: string): any;
  send(content: object): void;
  on(name: string, callback: (content: any) => void): void;
  off(name: string, callback: (content: any) => void): void;
  widget_manager: WidgetManager;
}

/** One dashboard of a kernel, displayed or not. */
export class Dashboard {
  constructor(private readonly model: EchoModel) {
    this.standing = { ...EMPTY, ...model.get('standing') };
    model.on('change:standing', this.onStanding);
    model.on('msg:custom', this.onFrame);
    this.kernel = model.widget_manager.kernel;
    this.kernel?.connectionStatusChanged.connect(this.onConnection);
    this.kernel?.disposed.connect(this.onConnection);
  }

  /** Whether it was made for this very model. */
  shows(model: EchoModel): boolean {
    return this.model === model;
  }

  /** The id of the root's model. */
  get root(): string {
    return this.model.get('root');
  }

  get manager(): WidgetManager {
    return this.model.widget_manager;
  }

  /** Fires when `standing` or `alive` has changed. */
  get changed(): ISignal<this, void> {
    return this._changed;
  }

  /** Where the run stands, as far as it was told. */
  standing: Standing;

  /** Whether its kernel can be reached. */
  get connected(): boolean {
    return !this.kernel || this.kernel.connectionStatus === 'connected';
  }

  /** Whether a kernel still hears it. */
  alive = true;

  /** Ask the run for something: "pause", "step", "back", "check" or "gradcheck". */
  command(name: string): void {
    this.model.send({ kind: 'command', name });
  }

  /** Have the newest step told though no panel may be in sight, or no longer. */
  watch(on: boolean): void {
    if (on === this.watched || !this.alive) {
      return;
    }
    this.watched = on;
    this.model.send(on ? { kind: 'view', id: WATCHER, shown: true, cards: [], aside: true } : { kind: 'gone', id: WATCHER });
  }

  /** The kernel is gone, or the dashboard was closed there. */
  end(): void {
    this.alive = false;
    this.model.off('change:standing', this.onStanding);
    this.model.off('msg:custom', this.onFrame);
    this.kernel?.connectionStatusChanged.disconnect(this.onConnection);
    this.kernel?.disposed.disconnect(this.onConnection);
    this._changed.emit();
    // whoever listens to it would keep all its views in memory
    Signal.clearData(this);
  }

  private readonly onStanding = (): void => {
    this.standing = { ...EMPTY, ...this.model.get('standing') };
    this._changed.emit();
  };

  private readonly onConnection = (): void => {
    // its notebook was closed, or its kernel shut down
    this.alive = this.alive && !this.kernel?.isDisposed;
    this._changed.emit();
  };

  private readonly onFrame = (message: any): void => {
    if (message?.kind !== 'frame') {
      return;
    }
    this.standing = { ...this.standing, step: message.step };
    if (this.watched && message.ask) {
      this.model.send({ kind: 'ack', id: WATCHER, frame: message.frame });
    }
    this._changed.emit();
  };

  private readonly kernel: Kernel.IKernelConnection | null | undefined;
  private watched = false;
  private readonly _changed = new Signal<this, void>(this);
}

/** All dashboards of the page, the newest last. */
export class Dashboards {
  constructor() {
    document.addEventListener('nnwidgets:dashboard', event => this.add((event as CustomEvent).detail.model));
    document.addEventListener('nnwidgets:gone', event => this.remove((event as CustomEvent).detail.model));
    for (const kind of ['focusin', 'pointerdown']) {
      document.addEventListener(kind, event => this.touched(event.target as Element | null), true);
    }
    // whoever was there before us says it again
    document.dispatchEvent(new CustomEvent('nnwidgets:who'));
  }

  /** Fires when a dashboard comes, goes or is the last one used. */
  get changed(): ISignal<this, void> {
    return this._changed;
  }

  /** Fires with each dashboard that comes. */
  get added(): ISignal<this, Dashboard> {
    return this._added;
  }

  get all(): readonly Dashboard[] {
    return [...this.known.values()];
  }

  /** The dashboard whose root has this id. */
  find(root: string): Dashboard | undefined {
    return this.all.find(each => each.root === root);
  }

  /** The dashboard in whose view this element lies. */
  around(element: Element | null): Dashboard | undefined {
    const root = element?.closest<HTMLElement>('.nnw[data-nnw-root]')?.dataset.nnwRoot;
    return root ? this.find(root) : undefined;
  }

  /** The one that commands mean, of this notebook if it has any: the last one used, unless only another is in training. */
  current(context: unknown): Dashboard | undefined {
    const here = this.all.filter(each => each.manager.context === context);
    const alive = (here.length ? here : this.all).filter(each => each.alive);
    const training = alive.filter(each => ['running', 'paused', 'compiling'].includes(each.standing.state));
    const candidates = training.length ? training : alive;
    return candidates.find(each => each === this.last) ?? candidates.at(-1);
  }

  private add(model: EchoModel): void {
    const id = model.get('root');
    if (!id || this.known.get(id)?.alive) {
      return;
    }
    const dashboard = new Dashboard(model);
    this.known.set(id, dashboard);
    this._added.emit(dashboard);
    this._changed.emit();
  }

  private remove(model: EchoModel): void {
    const id = model.get('root');
    const dashboard = this.known.get(id);
    // a second notebook of the same kernel has models of its own
    if (dashboard?.shows(model)) {
      dashboard.end();
      this.known.delete(id);
      this._changed.emit();
    }
  }

  private touched(element: Element | null): void {
    const dashboard = this.around(element);
    if (dashboard && dashboard !== this.last) {
      this.last = dashboard;
      this._changed.emit();
    }
  }

  private last: Dashboard | undefined;
  private readonly known = new Map<string, Dashboard>();
  private readonly _changed = new Signal<this, void>(this);
  private readonly _added = new Signal<this, Dashboard>(this);
}

const WATCHER = `status-${Math.random().toString(36).slice(2)}`;
const EMPTY: Standing = { state: '', step: 0, target: 0, message: '', problems: 0, warnings: 0, finding: '', can: [] };
