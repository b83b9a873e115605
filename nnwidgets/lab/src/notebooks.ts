/** The notebooks themselves, in a file of their own that is fetched when one is opened. */
import contents from './contents.json';

export const notebooks = contents as Record<string, object | undefined>;
