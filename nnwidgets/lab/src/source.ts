/** From a finding to the line that it speaks of, in the notebook or in a file. */
import type { JupyterFrontEnd } from '@jupyterlab/application';
import { Notification } from '@jupyterlab/apputils';
import type { Cell, ICodeCellModel } from '@jupyterlab/cells';
import { PageConfig } from '@jupyterlab/coreutils';
import type { IDocumentWidget } from '@jupyterlab/docregistry';
import type { FileEditor } from '@jupyterlab/fileeditor';
import type { INotebookTracker, NotebookPanel } from '@jupyterlab/notebook';

import type { Dashboards } from './dashboards';

/** Make a click (or Enter) on a `.nnw-line` open its line: `data-line` "cell [n]:l" or "/path/file.py:l", `data-code` its text. */
export function openLines(app: JupyterFrontEnd, dashboards: Dashboards, notebooks: INotebookTracker): void {
  document.addEventListener('click', event => {
    const link = (event.target as Element | null)?.closest?.<HTMLElement>('.nnw-line');
    const line = link?.dataset.line;
    if (!link || !line) {
      return;
    }
    const context = dashboards.around(link)?.manager.context;
    const panel = notebooks.find(each => each.context === context) ?? notebooks.currentWidget;
    const code = link.dataset.code ?? '';
    const cell = /^cell \[(\d+)\]:(\d+)$/.exec(line);
    const file = /^(.+):(\d+)$/.exec(line);
    const opening = cell
      ? openCell(app, panel, Number(cell[1]), Number(cell[2]), code)
      : file
        ? openFile(app, String(file[1]), Number(file[2]))
        : Promise.reject(new Error(`${line} names no line.`));
    opening.catch(error => Notification.warning(String(error.message ?? error), { autoClose: 8000 }));
  });
}

async function openCell(app: JupyterFrontEnd, panel: NotebookPanel | null, count: number, line: number, code: string): Promise<void> {
  if (!panel) {
    throw new Error(`The notebook with cell [${count}] is not open.`);
  }
  const cells = panel.content.widgets;
  const says = (cell: Cell): number => cell.model.sharedModel.getSource().split('\n').findIndex(text => text.trim() === code.trim());
  const counted = cells.find(cell => cell.model.type === 'code' && (cell.model as ICodeCellModel).executionCount === count);
  const lineIn = (cell: Cell): string => cell.model.sharedModel.getSource().split('\n')[line - 1] ?? '';
  let cell = counted;
  let at = line;
  if (code && (!counted || lineIn(counted).trim() !== code.trim())) {
    // the cell was edited, moved or run again: the line itself tells where it is now
    const found = [counted, ...cells].find((each): each is Cell => each !== undefined && says(each) >= 0);
    if (found) {
      cell = found;
      at = says(found) + 1;
    } else if (counted) {
      Notification.info(`Cell [${count}] was changed since: line ${line} was "${code.trim()}".`, { autoClose: 8000 });
    }
  }
  if (!cell) {
    throw new Error(`There is no cell [${count}] in this notebook any more; its line ${line} was "${code.trim()}".`);
  }
  app.shell.activateById(panel.id);
  panel.content.activeCellIndex = cells.indexOf(cell);
  await panel.content.scrollToCell(cell, 'center');
  await cell.ready;
  panel.content.mode = 'edit';
  select(cell.editor, at);
  flash(cell.node);
}

async function openFile(app: JupyterFrontEnd, file: string, line: number): Promise<void> {
  const address = PageConfig.getOption('rootUri');
  const root = (address ? decodeURI(new URL(address).pathname) : PageConfig.getOption('serverRoot')).replace(/\/?$/, '/');
  const absolute = file.startsWith('/') || /^[A-Za-z]:/.test(file);
  const slashed = file.replaceAll('\\', '/');
  if (absolute && !slashed.startsWith(root) && !`/${slashed}`.startsWith(root)) {
    throw new Error(`${file}, line ${line}, lies outside of ${root}, the folder that JupyterLab shows.`);
  }
  const path = absolute ? slashed.slice(slashed.indexOf(root.slice(slashed.startsWith('/') ? 0 : 1)) + root.length) : slashed;
  await app.serviceManager.contents.get(path, { content: false }).catch(() => {
    throw new Error(`JupyterLab finds no file ${path} in ${root}.`);
  });
  const widget = (await app.commands.execute('docmanager:open', { path, factory: 'Editor' })) as IDocumentWidget<FileEditor>;
  await widget.context.ready;
  await widget.revealed;
  select(widget.content.editor, line);
  flash(widget.content.node);
}

function select(editor: Cell['editor'], line: number): void {
  if (!editor) {
    return;
  }
  const at = Math.min(line, editor.lineCount) - 1;
  const range = { start: { line: at, column: 0 }, end: { line: at, column: editor.getLine(at)?.length ?? 0 } };
  editor.focus();
  editor.setSelection(range);
  editor.revealSelection(range);
}

function flash(node: HTMLElement): void {
  node.classList.remove('nnw-here');
  void node.offsetWidth; // so that the animation begins anew
  node.classList.add('nnw-here');
}
