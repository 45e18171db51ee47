// What several views show of a collection and its files.
import { visible } from './format.js';

// Returns the title, or the id of a collection without one.
export const labelOf = (collection) => visible(collection.title ?? collection.id);

const STATES = { open: 'open', sealed: 'sealed', deleting: 'is being deleted' };

export const stateOf = ({ state }) => STATES[state] ?? visible(state);

export const lastSegment = (path) => path.split('/').at(-1);

// Returns the folders that a folder is in and itself, the outermost first, each with its last segment.
export function foldersOf(folder) {
  const segments = folder.split('/').slice(0, -1);
  return segments.map((segment, at) => ({ segment, folder: `${segments.slice(0, at + 1).join('/')}/` }));
}

// Returns a file of a collection as the artifact that it is.
export function artifactOf(collection, file) {
  return { ...file, file_name: lastSegment(file.name), created_by: collection.created_by };
}
