import { LabIcon } from '@jupyterlab/ui-components';

/** Layers, and a falling loss through them. */
export const icon = new LabIcon({
  name: 'nnwidgets:icon',
  svgstr: `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24" width="16">
  <g class="jp-icon3" fill="none" stroke="#616161" stroke-width="2" stroke-linecap="round" stroke-linejoin="round">
    <path d="M3 3v18h18"/><path d="M6 6c1 8 4 10 7 10s4 1 8 1"/><circle cx="18" cy="6" r="2.2"/><circle cx="11" cy="6" r="2.2"/>
  </g></svg>`
});
