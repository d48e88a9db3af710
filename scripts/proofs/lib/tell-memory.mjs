// Answers 'memory' over IPC with what the process holds after a full collection; needs --expose-gc.
const MIB = 1024 * 1024;
const EACH = ['Timeout', 'TCPSocketWrap', 'TCPServerWrap'];

process.on('message', async (message) => {
  if (message !== 'memory') return;
  // What finalizers let go is collected the next time.
  for (let times = 0; times < 3; times += 1) {
    globalThis.gc();
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  const { heapUsed, external, rss } = process.memoryUsage();
  const resources = process.getActiveResourcesInfo();
  const handles = EACH.map((name) => `${name} ${resources.filter((each) => each === name).length}`);
  process.send({
    memory: { heapMiB: (heapUsed + external) / MIB, rssMiB: rss / MIB, handles: handles.join(', ') },
  });
});
