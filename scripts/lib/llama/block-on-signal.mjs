// Preloaded into a server: SIGUSR2 blocks its main thread for BLOCK_MS, as a synchronous tokenizer would.
const ms = Number(process.env.BLOCK_MS);
process.on('SIGUSR2', () => {
  const end = performance.now() + ms;
  while (performance.now() < end);
});
