// Numbers, times and names as people read them.
import { el } from './dom.js';

const UNITS = ['KiB', 'MiB', 'GiB', 'TiB', 'PiB'];

// Formats a number of bytes, such as `12.3 MiB`.
export function bytes(size) {
  if (size < 1024) return size === 1 ? '1 byte' : `${size} bytes`;
  let value = size;
  let unit = -1;
  // One step earlier than 1024, because 1023.99 would be rounded to it.
  while (value >= 1023.95 && unit < UNITS.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${value.toFixed(1)} ${UNITS[unit]}`;
}

// Formats a number with a noun, such as `3 artifacts`.
export function count(number, noun) {
  return `${number.toLocaleString('en')} ${noun}${number === 1 ? '' : 's'}`;
}

const two = (number) => String(number).padStart(2, '0');

// Shows a time in the time zone of the browser, or only its day, with the exact one in UTC beside it.
export function time(text, { isDay = false } = {}) {
  const date = new Date(text);
  if (Number.isNaN(date.getTime())) return visible(text);
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  const clock = ` ${two(date.getHours())}:${two(date.getMinutes())}`;
  return el('time', { datetime: text, title: text }, el('span', { class: 'day' }, day), !isDay && clock);
}

// Formats seconds in the largest unit that divides them.
export function duration(seconds) {
  for (const [unit, length] of [['day', 86400], ['hour', 3600], ['minute', 60]]) {
    if (seconds % length === 0) return count(seconds / length, unit);
  }
  return count(seconds, 'second');
}

// Characters that no one sees, or that change the order of the others: a name with them can look like another name.
const INVISIBLE =
  /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u115f\u1160\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\ufeff\uffa0\ufff9-\ufffb]/gu;

// Returns a foreign text with its invisible characters as their numbers, such as `[U+202E]`.
export function visible(text) {
  return text.replace(INVISIBLE, (c) => `[U+${c.codePointAt(0).toString(16).toUpperCase().padStart(4, '0')}]`);
}

// Shows a foreign text apart from the direction of the text around it.
export function name(text) {
  return el('bdi', { class: 'name' }, visible(text));
}

// Shows an id, a digest or a URI.
export function code(text) {
  return el('code', {}, text);
}
