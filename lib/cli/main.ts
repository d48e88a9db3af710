#!/usr/bin/env node
import { EXIT } from './exit-codes.js';

const COMMANDS = ['serve', 'check', 'worker', 'frontend'];
/** Names that belong to later versions: to them "did you mean" would be no help. */
const RESERVED = ['sidecar', 'top', 'doctor'];

async function main(args: readonly string[]): Promise<number | undefined> {
  const [command, ...rest] = args;
  const wantsHelp = rest.includes('--help') || rest.includes('-h');
  // Each command is loaded only when it runs: `check` starts in Docker's HEALTHCHECK every few seconds.
  switch (command) {
    case 'serve':
      if (wantsHelp) return print((await import('./help.js')).serveHelp());
      return (await import('./serve.js')).serve(rest);
    case 'check':
      if (wantsHelp) return print((await import('./help.js')).CHECK_HELP);
      return (await import('./check.js')).check(rest);
    case 'worker':
      if (wantsHelp) return print((await import('./worker.js')).workerHelp());
      return (await import('./worker.js')).worker(rest);
    case 'frontend':
      if (wantsHelp) return print((await import('./frontend.js')).frontendHelp());
      return (await import('./frontend.js')).frontend(rest);
    case '--version':
    case '-v':
    case '-V':
      return print(`${(await import('../config/build-info.js')).packageVersion()}\n`);
    case '--help':
    case '-h':
    case 'help':
      return print((await import('./help.js')).HELP);
    default:
      process.stderr.write(await complaint(command));
      return EXIT.usage;
  }
}

async function complaint(command: string | undefined): Promise<string> {
  const { HELP } = await import('./help.js');
  if (command === undefined) return HELP;
  if (RESERVED.includes(command))
    return `inference-health: the command '${command}' does not exist in this version; its name is reserved\n`;
  const { didYouMean } = await import('../config/suggest.js');
  return `inference-health: unknown command '${command}'${didYouMean(command, COMMANDS)}\n\n${HELP}`;
}

function print(text: string): number {
  process.stdout.write(text);
  return EXIT.ok;
}

main(process.argv.slice(2)).then(
  (code) => {
    if (code !== undefined) process.exitCode = code;
  },
  (error: unknown) => {
    process.stderr.write(
      `inference-health: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`,
    );
    process.exitCode = EXIT.failure;
  },
);
