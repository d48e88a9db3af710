'use strict';
// An engine as a child process: beats over IPC or standard output, answers `step`, and misbehaves when told to.
const beat = process.argv[2];
if (beat === 'ipc') setInterval(() => process.send('beat'), 200);
else if (beat === 'stdio') setInterval(() => process.stdout.write('beat\n'), 200);
else setInterval(() => undefined, 1000);
process.on('message', (message) => {
  if (message === 'spin') for (;;);
  if (message === 'disconnect') process.disconnect();
  if (message === 'close-stdout') require('node:fs').closeSync(1);
  if (message === 'exit') process.exit(3);
});
