/**
 * A page that is loaded while a cell runs. JupyterLab asks the kernel who it is, and the widget manager which widgets it has, on
 * the thread that runs the cell: a dashboard would come back when the training has ended. A subshell answers at once.
 */
import type { INotebookTracker, NotebookPanel } from '@jupyterlab/notebook';
import { type Kernel, KernelMessage } from '@jupyterlab/services';

import { hasDashboards } from './saved';

const WIDGETS = 'jupyter.widget';
const CONTROL = 'jupyter.widget.control';
const SECOND = 1000;

/** What a kernel tells of a widget: the answer to `request_state`. */
interface State {
  data: { method: 'update'; state: Record<string, unknown>; buffer_paths: (string | number)[][] };
  buffers: unknown[];
}

type States = Map<string, State>;

/** Bring the dashboards of a busy kernel back when its notebook is opened. */
export function wakeDashboards(notebooks: INotebookTracker): void {
  const woken = new WeakSet<Kernel.IKernelConnection>();
  const watch = (panel: NotebookPanel): void => {
    const look = (): void => {
      const kernel = panel.sessionContext.session?.kernel;
      if (kernel?.connectionStatus === 'connected' && !woken.has(kernel) && hasDashboards(panel)) {
        woken.add(kernel);
        answerForKernel(kernel);
      }
    };
    panel.sessionContext.connectionStatusChanged.connect(look);
    void panel.context.ready.then(look);
  };
  notebooks.forEach(watch);
  notebooks.widgetAdded.connect((_, panel) => watch(panel));
}

/** The widget manager has no answer to its first question, and asks for each widget instead: it gets what a subshell told. */
function answerForKernel(kernel: Kernel.IKernelConnection): void {
  const told = ask(kernel).catch(error => {
    console.warn('nnwidgets: the dashboards come back when the cell has ended.', error);
    return null;
  });
  const { requestCommInfo, createComm } = kernel;
  kernel.requestCommInfo = async content => {
    const states = await told;
    if (!states) {
      return requestCommInfo.call(kernel, content);
    }
    const comms = Object.fromEntries([...states.keys()].map(id => [id, { target_name: WIDGETS }]));
    return { content: { status: 'ok', comms } } as KernelMessage.ICommInfoReplyMsg;
  };
  void told.then(async states => {
    if (states) {
      kernel.createComm = (target, id) => {
        const comm = createComm.call(kernel, target, id);
        const state = target === WIDGETS && id ? states.get(id) : undefined;
        if (state) {
          answer(comm, state);
        }
        return comm;
      };
      await later(30 * SECOND);
    }
    delete (kernel as Partial<Kernel.IKernelConnection>).requestCommInfo;
    delete (kernel as Partial<Kernel.IKernelConnection>).createComm;
  });
}

/** Answer the first question that is sent to a widget. */
function answer(comm: Kernel.IComm, state: State): void {
  const { send } = comm;
  comm.send = (data: any, ...more) => {
    delete (comm as Partial<Kernel.IComm>).send;
    if (data?.method !== 'request_state') {
      return send.call(comm, data, ...more);
    }
    const header = { msg_id: crypto.randomUUID() };
    const reply = { header: { msg_type: 'comm_msg' }, parent_header: header, content: { comm_id: comm.commId, data: state.data } };
    setTimeout(() => void comm.onMsg({ ...reply, buffers: state.buffers } as unknown as KernelMessage.ICommMsgMsg));
    return { msg: { header } } as Kernel.IShellFuture;
  };
}

/** The states of all widgets of a kernel that is busy; null if it is not busy, or has no subshells. */
async function ask(kernel: Kernel.IKernelConnection): Promise<States | null> {
  if (await Promise.race([kernel.info, later(1.5 * SECOND)])) {
    return null;
  }
  const request = KernelMessage.createMessage<KernelMessage.ICreateSubshellRequestMsg>({
    msgType: 'create_subshell_request',
    channel: 'control',
    session: kernel.clientId,
    username: kernel.username,
    content: {}
  });
  // the server passes it on two seconds after it was connected; a kernel that has no subshells does not answer
  const made = kernel.sendControlMessage(request, true).done.then(reply => (reply.content as { subshell_id?: string }).subshell_id);
  const end = (id: string | undefined): void => {
    if (id && !kernel.isDisposed && kernel.supportsSubshells) {
      kernel.requestDeleteSubshell({ subshell_id: id });
    }
  };
  const id = await Promise.race([made, later(15 * SECOND)]);
  if (!id) {
    // one that comes too late is not used
    void made.then(end, () => undefined);
    return null;
  }
  const through = <T>(send: () => T): T => {
    kernel.subshellId = id;
    try {
      return send();
    } finally {
      kernel.subshellId = null;
    }
  };
  try {
    if (!(await Promise.race([through(() => kernel.requestKernelInfo()), later(15 * SECOND)]))) {
      return null;
    }
    const comm = kernel.createComm(CONTROL);
    const message = new Promise<KernelMessage.ICommMsgMsg>(resolve => {
      comm.onMsg = resolve;
    });
    through(() => {
      comm.open({}, { version: '1.0.0' });
      comm.send({ method: 'request_states' });
    });
    const states = await Promise.race([message, later(15 * SECOND)]);
    comm.close();
    return states ? parsed(states) : null;
  } finally {
    end(id);
  }
}

/** By widget what a kernel told of all of them. */
function parsed(message: KernelMessage.ICommMsgMsg): States {
  const { states, buffer_paths } = message.content.data as any;
  const found: States = new Map(
    Object.entries<any>(states).map(([id, { model_name, model_module, model_module_version, state }]) => {
      const model = { _model_name: model_name, _model_module: model_module, _model_module_version: model_module_version };
      return [id, { data: { method: 'update', state: { ...state, ...model }, buffer_paths: [] }, buffers: [] }];
    })
  );
  buffer_paths.forEach(([id, , ...path]: [string, 'state', ...(string | number)[]], k: number) => {
    found.get(id)?.data.buffer_paths.push(path);
    found.get(id)?.buffers.push(message.buffers?.[k]);
  });
  return found;
}

function later(milliseconds: number): Promise<undefined> {
  return new Promise(resolve => setTimeout(() => resolve(undefined), milliseconds));
}
