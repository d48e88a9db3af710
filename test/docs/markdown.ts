import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from '../helpers/package.js';

export const readText = (path: string): string => readFileSync(join(ROOT, path), 'utf8');

/** Markdown files that this project's readers see. */
export const DOCS: readonly string[] = [
  ...readdirSync(join(ROOT, 'docs'))
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name}`),
  'README.md',
];

/** Cells of all table rows below a heading, up to the next heading of any level; without head and separator rows. */
export function tableBelow(path: string, heading: string): string[][] {
  const lines = readText(path).split('\n');
  const start = lines.indexOf(heading);
  if (start < 0) throw new Error(`${path} has no "${heading}"`);
  const end = lines.findIndex((line, index) => index > start && /^#+ /.test(line));
  return rows(lines.slice(start + 1, end < 0 ? undefined : end));
}

function rows(lines: readonly string[]): string[][] {
  const isRow = (line: string | undefined): boolean => line?.startsWith('|') === true;
  return lines
    .filter(
      (line, index) =>
        isRow(line) && !/^\|[-|: ]+\|$/.test(line) && !/^\|[-|: ]+\|$/.test(lines[index + 1] ?? ''),
    )
    .map((line) =>
      line
        .slice(1, -1)
        .split(/(?<!\\)\|/)
        .map((cell) => cell.trim()),
    );
}

/** What stands between backticks. */
export const codes = (text: string): string[] => [...text.matchAll(/`([^`]+)`/g)].map((match) => match[1]!);

/** The name in the first cell of each row. */
export const firstCodes = (table: readonly string[][]): string[] =>
  table.flatMap(([cell = '']) => codes(cell));

/** Fenced blocks of a language. */
export function blocks(path: string, language: string): string[] {
  return [...readText(path).matchAll(/^```(\w*)\n([\s\S]*?)^```$/gm)]
    .filter(([, name]) => name === language)
    .map(([, , text]) => text!);
}

/** The anchor that GitHub gives a heading. */
export function anchors(path: string): Set<string> {
  return new Set(
    [...readText(path).matchAll(/^#+ (.+)$/gm)].map(([, title]) =>
      title!
        .toLowerCase()
        .replace(/[^\p{L}\p{N} _-]/gu, '')
        .replaceAll(' ', '-'),
    ),
  );
}
