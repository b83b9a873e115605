/** Cards that open a copy of the notebooks that come with nnwidgets. */
import type { JupyterFrontEnd } from '@jupyterlab/application';
import type { ILauncher } from '@jupyterlab/launcher';

import { icon } from './icon';
import titles from './titles.json';

/** `titles` has an entry for each notebook: its file's name and its first heading; written when the extension is built. */
export function addCards(app: JupyterFrontEnd, launcher: ILauncher | null): void {
  app.commands.addCommand('nnwidgets:open-notebook', {
    label: args => String(titles.find(each => each.file === args.file)?.title ?? 'nnwidgets'),
    caption: args => `Open a copy of ${args.file} from nnwidgets`,
    icon,
    execute: async args => {
      const { notebooks } = await import('./notebooks');
      const file = String(args.file);
      const content = notebooks[file];
      if (!content) {
        throw new Error(`nnwidgets has no notebook ${file}; there are ${Object.keys(notebooks).join(', ')}.`);
      }
      const { contents } = app.serviceManager;
      const folder = typeof args.cwd === 'string' ? args.cwd : '';
      const taken = new Set<string>((await contents.get(folder)).content.map((each: { name: string }) => each.name));
      // a notebook that is there already has the user's work in it
      const stem = file.replace(/\.ipynb$/, '');
      let name = file;
      for (let copy = 2; taken.has(name); copy++) {
        name = `${stem}-${copy}.ipynb`;
      }
      const path = folder ? `${folder}/${name}` : name;
      await contents.save(path, { type: 'notebook', format: 'json', content: structuredClone(content) });
      return app.commands.execute('docmanager:open', { path });
    },
    describedBy: { args: { type: 'object', properties: { file: { type: 'string' }, cwd: { type: 'string' } } } }
  });
  titles.forEach(({ file }, rank) =>
    launcher?.add({ command: 'nnwidgets:open-notebook', args: { file }, category: 'nnwidgets', rank })
  );
}
