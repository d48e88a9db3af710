// Starts health as an application does, asks it before and after the model is ready, and prints what it said.
exports.report = async (startHealth) => {
  const health = await startHealth({ port: 0, host: '127.0.0.1' });
  const base = `http://127.0.0.1:${health.listeners[0].port}`;
  const ask = async (path) => (await fetch(`${base}${path}`)).status;
  health.model.loading();
  const whileLoading = await ask('/health/ready');
  health.model.ready();
  while ((await ask('/health/ready')) !== 200) await new Promise((resolve) => setTimeout(resolve, 20));
  const { status, host } = await (await fetch(`${base}/health`)).json();
  const metrics = await (await fetch(`${base}/metrics`)).text();
  const { httpEngine, native } = health;
  console.log(
    JSON.stringify({
      whileLoading,
      status,
      httpEngine,
      native,
      totalBytes: host.memory.total_bytes,
      buildInfo: /^inference_health_build_info\{.*\} 1$/m.exec(metrics)?.[0],
    }),
  );
  await health.close();
};
