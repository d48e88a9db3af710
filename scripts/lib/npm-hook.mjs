import { readFileSync } from 'node:fs';

/**
 * Whether npm runs this process as the hook of `script` rather than for itself. It takes a script called `prebuild` for
 * the hook of `build` and tells it nothing about the difference, except in the title of npm's own process.
 */
export function isHookOf(script) {
  if (process.env.npm_lifecycle_event !== `pre${script}`) return false;
  try {
    for (let pid = process.ppid; pid > 1; pid = parentOf(pid)) {
      const words = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split(/[\0\s]+/);
      if (!/(^|\/)(ba|da)?sh$/.test(words[0])) return words.includes(script);
    }
  } catch {
    // No such /proc: then it was asked for.
  }
  return false;
}

function parentOf(pid) {
  return Number(/^PPid:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);
}
