import type { Spread } from './spread.js';
import type { Check, Figures } from './verdict.js';

const ms = (value: number): string =>
  value < 1000 ? `${Math.round(value)} ms` : `${(value / 1000).toFixed(2)} s`;
const inWords = ({ count, p50, p99, max }: Spread): string =>
  count === 0 ? 'none' : `p50 ${ms(p50)}, p99 ${ms(p99)}, max ${ms(max)} (${count})`;

export function renderFigures(figures: Figures, checks: readonly Check[]): string {
  const { streams, whole, differed, failed, rejected, rejectedWithoutRetryAfter } = figures;
  const lines = [
    `streams ${streams}: whole ${whole}, differed ${differed}, failed ${failed}, rejected ${rejected} (${rejectedWithoutRetryAfter} without Retry-After)`,
    `moved ${figures.moved} choices of ${figures.movedStreams} streams; faults: ${Object.entries(
      figures.faults,
    )
      .map(([name, count]) => `${count} ${name}`)
      .join(', ')}`,
    `longest silence of a stream that moved: ${inWords(figures.stallMs)}; of others: ${inWords(figures.otherStallMs)}`,
    ...Object.entries(figures.detectionMs).map(
      ([name, value]) => `${name} to the move of a stream: ${inWords(value)}`,
    ),
    ...Object.entries(figures.outMs).map(
      ([name, value]) => `${name} until the worker gets nothing more: ${inWords(value)}`,
    ),
    ...Object.entries(figures.errors).map(([error, count]) => `  ${count} × ${error}`),
    ...figures.differences.map(
      ({ id, prompt, at, expected, got, moves }) =>
        `  ${id}, prompt ${prompt}, differs from character ${at} on: ${JSON.stringify(got)} instead of ${JSON.stringify(expected)}; moved: ${
          moves
            .map(({ from, outcome, tokens }) => `from ${from} (${outcome}) behind token ${tokens}`)
            .join(', ') || 'never'
        }`,
    ),
    ...checks.map(
      ({ name, value, bound, isLeast, holds }) =>
        `${holds ? 'holds' : 'FAILS'}  ${name} ${Number(value.toFixed(6))}, ${isLeast ? 'at least' : 'at most'} ${bound}`,
    ),
  ];
  return lines.join('\n');
}
