/**
 * Ends what this process has started when this process ends, however it ends: a shell that reads until the end of a pipe,
 * which the kernel closes with us, and then kills each group of processes that is left and removes each folder.
 */
import { spawn } from 'node:child_process';
import type { Writable } from 'node:stream';

const SCRIPT = `
groups= folders=
without() { left=; for each in $2; do [ "$each" = "$1" ] || left="$left $each"; done; }
while read -r what value; do
  case $what in
    group) groups="$groups $value" ;;
    ended) without "$value" "$groups"; groups=$left ;;
    folder) folders="$folders $value" ;;
    removed) without "$value" "$folders"; folders=$left ;;
  esac
done
for group in $groups; do kill -9 "-$group" 2>/dev/null; done
for folder in $folders; do rm -rf "$folder"; done
`;

let pipe: Writable | null = null;

function tell(line: string): void {
  if (pipe === null) {
    // Of a group of its own, so that a Ctrl-C in the terminal does not end it before us.
    const child = spawn('/bin/sh', ['-c', SCRIPT], { stdio: ['pipe', 'ignore', 'ignore'], detached: true });
    child.unref();
    child.on('exit', () => {
      pipe = null;
    });
    const { stdin } = child;
    stdin.on('error', () => undefined);
    (stdin as unknown as { unref(): void }).unref();
    pipe = stdin;
  }
  pipe.write(`${line}\n`);
}

/** A group of processes, by the id of its leader, is to end with us. */
export const keepGroup = (id: number): void => tell(`group ${id}`);
/** It has ended. */
export const forgetGroup = (id: number): void => tell(`ended ${id}`);
/** A folder without blanks in its path is to go with us. */
export const keepFolder = (path: string): void => tell(`folder ${path}`);
/** It has gone. */
export const forgetFolder = (path: string): void => tell(`removed ${path}`);
