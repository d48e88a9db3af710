import type { Reason, Verdict } from '../status/verdict.js';
import { OK, TEXT_TYPE, UNAVAILABLE } from './status-lines.js';
import { textTemplate } from './template.js';
import type { Details, Reply, Routes, View } from './view.js';

/** `/livez`, `/readyz`, `/startupz` in the form of Kubernetes' own API server: text, and one line a check with `?verbose`. */
function route(
  name: string,
  passes: (verdict: Verdict) => boolean,
  blocking: (verdict: Verdict) => readonly Reason[],
) {
  const statusLine = (view: View): string => (passes(view.verdict) ? OK : UNAVAILABLE);
  return {
    dependsOn: 'verdict' as const,
    render: (view: View): Reply => {
      const ok = passes(view.verdict);
      const body = textTemplate(ok ? 'ok' : `${name} check failed`);
      return { statusLine: statusLine(view), contentType: TEXT_TYPE, body };
    },
    verbose: (view: View, details: Details): Reply => {
      const { verdict } = view;
      const failed = blocking(verdict);
      const lines = verdict.components.map((component) => {
        const reason = failed.find((candidate) => candidate.component === component.name);
        return reason === undefined ? `[+]${component.name} ok` : line(reason, details);
      });
      for (const reason of failed) {
        if (!verdict.components.some((component) => component.name === reason.component))
          lines.push(line(reason, details));
      }
      lines.push(`${name} check ${passes(verdict) ? 'passed' : 'failed'}`);
      return {
        statusLine: statusLine(view),
        contentType: TEXT_TYPE,
        body: textTemplate(`${lines.join('\n')}\n`),
      };
    },
  };
}

function line(reason: Reason, details: Details): string {
  return details === 'full'
    ? `[-]${reason.component} failed: ${reason.code}: ${reason.message}`
    : `[-]${reason.component} failed: ${reason.code}`;
}

export const kubernetes: Routes = {
  '/livez': route(
    'livez',
    (verdict) => verdict.live,
    (verdict) => (verdict.live ? [] : verdict.reasons.filter(({ component }) => component === 'event_loop')),
  ),
  '/readyz': route(
    'readyz',
    (verdict) => verdict.ready,
    (verdict) => verdict.gating,
  ),
  '/startupz': route(
    'startupz',
    (verdict) => verdict.startup,
    (verdict) => (verdict.startup ? [] : verdict.gating),
  ),
};
