/**
 * What a saved notebook holds of a dashboard: its picture, which is an output of its own, and instead of the live output a note
 * of which dashboard stood there. A widget's output without its widget would say "model not found".
 */
import type { INotebookTracker, NotebookPanel } from '@jupyterlab/notebook';
import type { IRenderMime, IRenderMimeRegistry } from '@jupyterlab/rendermime';
import { PanelLayout, Widget } from '@lumino/widgets';

import type { Dashboard, Dashboards } from './dashboards';

const WIDGET = 'application/vnd.jupyter.widget-view+json';
const NOTE = 'application/vnd.nnwidgets.dashboard+json';

/** Leave our live outputs out of what is saved; in the page they stay. */
export function saveNotes(notebooks: INotebookTracker): void {
  const patch = (panel: NotebookPanel): void => {
    const model = panel.context.model;
    const original = model.toJSON.bind(model);
    model.toJSON = () => {
      const content = original() as any;
      return { ...content, cells: content.cells.map(withNotes) };
    };
  };
  notebooks.forEach(patch);
  notebooks.widgetAdded.connect((_, panel) => patch(panel));
}

/** Show the dashboard again where a note stands, if its kernel still lives; nothing where it does not. */
export function showNotes(rendermime: IRenderMimeRegistry, dashboards: Dashboards): void {
  rendermime.addFactory(
    { safe: true, mimeTypes: [NOTE], defaultRank: 0, createRenderer: () => new Note(dashboards) },
    0
  );
}

class Note extends Widget implements IRenderMime.IRenderer {
  constructor(private readonly dashboards: Dashboards) {
    super();
    this.layout = new PanelLayout();
    this.hide();
  }

  async renderModel(model: IRenderMime.IMimeModel): Promise<void> {
    this.root = String((model.data[NOTE] as any)?.model_id ?? '');
    const dashboard = this.dashboards.find(this.root);
    if (dashboard) {
      await this.fill(dashboard);
    } else {
      this.dashboards.added.connect(this.onAdded, this);
    }
  }

  dispose(): void {
    this.dashboards.added.disconnect(this.onAdded, this);
    super.dispose();
  }

  private onAdded(_: Dashboards, dashboard: Dashboard): void {
    if (dashboard.root === this.root) {
      this.dashboards.added.disconnect(this.onAdded, this);
      void this.fill(dashboard);
    }
  }

  private async fill(dashboard: Dashboard): Promise<void> {
    const model = await dashboard.manager.get_model(dashboard.root);
    const view = await dashboard.manager.create_view(model);
    if (!this.isDisposed) {
      (this.layout as PanelLayout).addWidget(view.luminoWidget);
      this.show();
    }
  }

  private root = '';
}

/** Whether a notebook holds one of our dashboards, live or as a note. */
export function hasDashboards(panel: NotebookPanel): boolean {
  return [...panel.context.model.cells].some(cell => {
    const outputs = (cell.toJSON() as any).outputs ?? [];
    return outputs.some((output: any) => isLive(output) || output.data?.[NOTE] !== undefined);
  });
}

function withNotes(cell: any): any {
  return cell.outputs?.some(isLive) ? { ...cell, outputs: cell.outputs.map(noted) } : cell;
}

function isLive(output: any): boolean {
  return output.metadata?.nnwidgets === 'live' && output.data?.[WIDGET] !== undefined;
}

function noted(output: any): any {
  if (!isLive(output)) {
    return output;
  }
  const { [WIDGET]: view, ...data } = output.data;
  return { ...output, data: { ...data, [NOTE]: { model_id: view.model_id } } };
}
