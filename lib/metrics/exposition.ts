/**
 * Reads the Prometheus text format 0.0.4 and as much of OpenMetrics as registries for Node write, at least as strictly as
 * a scraper does: one line that Prometheus refuses costs it the whole scrape, ours included.
 */

export type ExpositionType = 'counter' | 'gauge' | 'histogram' | 'summary' | 'untyped';

export interface ExpositionFamily {
  readonly name: string;
  readonly type: ExpositionType;
  /** Lines in format 0.0.4, comments first, each with its newline. */
  readonly text: string;
  /** Every name under which this family may have samples. */
  readonly sampleNames: readonly string[];
}

export type Exposition =
  | { readonly ok: true; readonly families: readonly ExpositionFamily[] }
  | { readonly ok: false; readonly line: number; readonly message: string };

interface Draft {
  readonly name: string;
  type: string | null;
  help: string | null;
  readonly samples: string[];
}

interface ParsedSample {
  readonly name: string;
  /** The line in format 0.0.4: without exemplar, timestamp in milliseconds. */
  readonly line: string;
}

const NAME = '[a-zA-Z_:][a-zA-Z0-9_:]*';
const QUOTED = '"[^"\\\\\\n]*(?:\\\\["\\\\n][^"\\\\\\n]*)*"';
const LABEL = `[a-zA-Z_][a-zA-Z0-9_]*[ \\t]*=[ \\t]*${QUOTED}`;
const LABELS = `\\{[ \\t]*(?:${LABEL}[ \\t]*(?:,[ \\t]*${LABEL}[ \\t]*)*,?[ \\t]*)?\\}`;
const VALUE = '(?:[+-]?(?:\\d+\\.?\\d*(?:[eE][+-]?\\d+)?|\\.\\d+(?:[eE][+-]?\\d+)?|[Ii]nf)|[Nn]a[Nn])';
const SAMPLE = new RegExp(
  `^(${NAME})[ \\t]*(${LABELS})?[ \\t]*(?<=[ \\t}])(${VALUE})(?:[ \\t]+(-?[\\d.]+))?[ \\t]*( # \\{.*)?$`,
);
const COMMENT = new RegExp(`^#[ \\t]+(HELP|TYPE|UNIT)[ \\t]+(${NAME})(?:[ \\t]+(.*))?$`);
const LABEL_NAME = new RegExp(`([a-zA-Z_][a-zA-Z0-9_]*)[ \\t]*=[ \\t]*(${QUOTED})`, 'g');
const NUMBER = new RegExp(`^${VALUE}$`);

const TEXT_TYPES: ReadonlySet<string> = new Set(['counter', 'gauge', 'histogram', 'summary', 'untyped']);
const OPEN_TYPES: ReadonlySet<string> = new Set([
  'counter',
  'gauge',
  'histogram',
  'summary',
  'unknown',
  'info',
  'stateset',
  'gaugehistogram',
]);

class Malformed extends Error {}

/** Parses a whole text. The first thing that a scraper would refuse makes all of it not ok, with its line (from 1). */
export function parseExposition(text: string): Exposition {
  const isOpenMetrics = /(?:^|\n)# EOF\n?$/.test(text);
  const drafts = new Map<string, Draft>();
  const lines = text.split('\n');
  let current: Draft | null = null;

  for (let index = 0; index < lines.length; index += 1) {
    const line = lines[index] as string;
    if (line.trim() === '') continue;
    try {
      current = line.startsWith('#')
        ? readComment(line, drafts, current, isOpenMetrics)
        : readSample(line, drafts, current, isOpenMetrics);
    } catch (error) {
      // A RangeError is the regular expression engine's stack: a label value of absurd length.
      if (!(error instanceof Malformed) && !(error instanceof RangeError)) throw error;
      return { ok: false, line: index + 1, message: error.message };
    }
  }
  return { ok: true, families: [...drafts.values()].flatMap((draft) => finish(draft, isOpenMetrics)) };
}

function draftOf(drafts: Map<string, Draft>, name: string): Draft {
  let draft = drafts.get(name);
  if (draft === undefined) {
    draft = { name, type: null, help: null, samples: [] };
    drafts.set(name, draft);
  }
  return draft;
}

function readComment(
  line: string,
  drafts: Map<string, Draft>,
  current: Draft | null,
  isOpenMetrics: boolean,
): Draft | null {
  const match = COMMENT.exec(line);
  if (match === null) {
    // `# anything` is a remark, but a HELP or TYPE that does not parse is an error to a scraper.
    if (/^#[ \t]+(?:HELP|TYPE)(?:[ \t]|$)/.test(line))
      throw new Malformed(`not a comment that can be read: ${excerpt(line)}`);
    return current;
  }
  const [, keyword, name = '', rest = ''] = match;
  const draft = draftOf(drafts, name);
  if (keyword === 'HELP') {
    if (draft.help !== null) throw new Malformed(`second HELP for ${name}`);
    if (/\\(?![\\n"])/.test(rest.replace(/\\\\/g, ''))) throw new Malformed(`bad escape in HELP for ${name}`);
    draft.help = rest;
  } else if (keyword === 'TYPE') {
    const type = rest.trim();
    if (draft.type !== null || draft.samples.length > 0)
      throw new Malformed(`second TYPE for ${name}, or TYPE after its samples`);
    if (!(isOpenMetrics ? OPEN_TYPES : TEXT_TYPES).has(type))
      throw new Malformed(`unknown type of ${name}: ${excerpt(type)}`);
    draft.type = type;
  }
  return draft;
}

function readSample(
  line: string,
  drafts: Map<string, Draft>,
  current: Draft | null,
  isOpenMetrics: boolean,
): Draft {
  const sample = parseSample(line, isOpenMetrics);
  const owner =
    current !== null && ownsSample(current, sample.name, isOpenMetrics)
      ? current
      : ownerOf(drafts, sample.name, isOpenMetrics);
  const draft = owner ?? draftOf(drafts, sample.name);
  draft.samples.push(sample.line);
  return draft;
}

function parseSample(line: string, isOpenMetrics: boolean): ParsedSample {
  const match = SAMPLE.exec(line);
  if (match === null) throw new Malformed(`not a sample: ${excerpt(line)}`);
  const [, name = '', labels = '', value = '', timestamp, exemplar] = match;
  if (exemplar !== undefined && !isOpenMetrics)
    throw new Malformed(`exemplar outside OpenMetrics: ${excerpt(line)}`);
  // Go's ParseFloat calls 1e999 out of range, which fails the scrape.
  if (/\d/.test(value) && !Number.isFinite(Number(value)))
    throw new Malformed(`value out of range: ${excerpt(line)}`);
  checkLabels(labels, line);
  return { name, line: `${name}${labels} ${value}${timestampOf(timestamp, isOpenMetrics, line)}\n` };
}

function timestampOf(timestamp: string | undefined, isOpenMetrics: boolean, line: string): string {
  if (timestamp === undefined) return '';
  const number = Number(timestamp);
  const milliseconds = isOpenMetrics ? Math.round(number * 1000) : number;
  if (!Number.isSafeInteger(milliseconds) || (!isOpenMetrics && timestamp.includes('.'))) {
    throw new Malformed(`bad timestamp: ${excerpt(line)}`);
  }
  return ` ${milliseconds}`;
}

/** A label that occurs twice, `__name__` among them, makes Prometheus drop the scrape; `le` and `quantile` are numbers. */
function checkLabels(labels: string, line: string): void {
  if (labels === '') return;
  const seen = new Set<string>();
  for (const [, name = '', quoted = ''] of labels.matchAll(LABEL_NAME)) {
    if (name === '__name__' || seen.has(name))
      throw new Malformed(`label ${name} not allowed here: ${excerpt(line)}`);
    seen.add(name);
    if ((name === 'le' || name === 'quantile') && !NUMBER.test(quoted.slice(1, -1))) {
      throw new Malformed(`label ${name} is not a number: ${excerpt(line)}`);
    }
  }
}

function ownerOf(drafts: Map<string, Draft>, sampleName: string, isOpenMetrics: boolean): Draft | null {
  const exact = drafts.get(sampleName);
  if (exact !== undefined) return exact;
  const base = sampleName.replace(/_(?:bucket|sum|count|total|created|info)$/, '');
  const draft = drafts.get(base);
  return draft !== undefined && ownsSample(draft, sampleName, isOpenMetrics) ? draft : null;
}

function ownsSample(draft: Draft, sampleName: string, isOpenMetrics: boolean): boolean {
  return (
    sampleName === draft.name ||
    suffixesOf(draft.type, isOpenMetrics).some((suffix) => sampleName === draft.name + suffix)
  );
}

function suffixesOf(type: string | null, isOpenMetrics: boolean): readonly string[] {
  if (type === 'histogram')
    return isOpenMetrics ? ['_bucket', '_sum', '_count', '_created'] : ['_bucket', '_sum', '_count'];
  if (type === 'summary') return isOpenMetrics ? ['_sum', '_count', '_created'] : ['_sum', '_count'];
  if (type === 'counter' && isOpenMetrics) return ['_total', '_created'];
  if (type === 'info' && isOpenMetrics) return ['_info'];
  return [];
}

/** Names that samples of a family may have in format 0.0.4. */
export function sampleNamesOf(name: string, type: string): string[] {
  return [name, ...suffixesOf(type, false).map((suffix) => name + suffix)];
}

/** From what was read to a family of format 0.0.4: nothing for a family without samples. */
function finish(draft: Draft, isOpenMetrics: boolean): ExpositionFamily[] {
  if (draft.samples.length === 0) return [];
  let { name } = draft;
  let type = (draft.type ?? 'untyped') as ExpositionType;
  let samples: readonly string[] = draft.samples;
  if (isOpenMetrics) {
    // There the family of a counter is named without `_total`, and creation times are samples.
    samples = samples.filter((line) => !line.startsWith(`${draft.name}_created`));
    if (type === 'counter' && samples.every((line) => line.startsWith(`${draft.name}_total`)))
      name = `${draft.name}_total`;
    else if (draft.type === 'info') name = `${draft.name}_info`;
    if (!TEXT_TYPES.has(type))
      type = draft.type === 'info' || draft.type === 'stateset' ? 'gauge' : 'untyped';
    if (samples.length === 0) return [];
  }
  const help = draft.help === null ? '' : `# HELP ${name} ${draft.help}\n`;
  return [
    {
      name,
      type,
      text: `${help}# TYPE ${name} ${type}\n${samples.join('')}`,
      sampleNames: sampleNamesOf(name, type),
    },
  ];
}

function excerpt(text: string): string {
  return JSON.stringify(text.length > 80 ? `${text.slice(0, 80)}…` : text);
}
