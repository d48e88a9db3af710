import type { Reason, Verdict } from '../status/verdict.js';
import { loadLine } from './load-document.js';
import { OK, TEXT_TYPE, UNAVAILABLE } from './status-lines.js';
import { liveTextTemplate, textTemplate } from './template.js';
import type { Details, Reply, Routes, View } from './view.js';

/** `/livez`, `/readyz`, `/startupz` in the form of Kubernetes' own API server: text, and one line a check with `?verbose`. */
function route(
  name: string,
  passes: (verdict: Verdict) => boolean,
  blocking: (verdict: Verdict) => readonly Reason[],
  /** Components that this probe looks at. */
  asks: (component: string) => boolean = () => true,
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
      const lines = verdict.components
        .filter((component) => asks(component.name))
        .flatMap((component) => {
          const own = failed.filter((reason) => reason.component === component.name);
          if (own.length > 0) return own.map((reason) => line(reason, details));
          const deviation = verdict.reasons.find((reason) => reason.component === component.name);
          if (deviation === undefined) return `[+]${component.name} ok`;
          // Neither ok nor a reason to fail: a check that does not gate, CPU pressure, a block shorter than the limit.
          return `[~]${component.name} ${component.status}: ${deviation.code}`;
        });
      for (const reason of failed) {
        if (!verdict.components.some((component) => component.name === reason.component))
          lines.push(line(reason, details));
      }
      if (name === 'readyz' && view.load != null) lines.push(loadLine(view.load));
      lines.push(`${name} check ${passes(verdict) ? 'passed' : 'failed'}`);
      return {
        statusLine: statusLine(view),
        contentType: TEXT_TYPE,
        body: liveTextTemplate(`${lines.join('\n')}\n`),
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
    (component) => component === 'event_loop',
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
