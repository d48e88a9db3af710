'use strict';
// Cost of one token between a worker's frame and the client's text. `token-path.cjs '{ tokens, stops, length }'` prints `{ ns }`.
const { createMigrator } = require('../../dist/cjs/fleet/migrator.js');
const { createAssembler } = require('../../dist/cjs/fleet/assembler.js');

const { tokens, stops, length } = JSON.parse(process.argv[2]);
const words = [' the', ' engine', 'ing', ' of', ' caf', 'é', ' 1', '.', '\n', ' 東', '京', ' answer'];
const bytes = words.map((word) => new TextEncoder().encode(word));

function stream(count) {
  const request = { promptTokens: 100, maxTokens: null, endTokens: [], isReplayable: true, deadlineMs: null };
  const migrator = createMigrator({ request });
  const assembler = createAssembler({ stop: stops });
  migrator.step({ type: 'start', atMs: 0 });
  migrator.step({
    type: 'picked',
    atMs: 0,
    ref: { worker: 'a', incarnation: '1' },
    patience: { firstMs: 1000, nextMs: 1000 },
  });
  let characters = 0;
  for (let seq = 0; seq < count; seq += 1) {
    if (migrator.frame(seq, 0, seq, seq % 32_000))
      characters += assembler.push(bytes[(seq * 7) % bytes.length]).length;
    if (migrator.takeEffects().length > 0) throw new Error('an attempt without faults has effects');
  }
  return characters;
}

/** The median of nine runs of many streams. */
function measure() {
  const runs = [];
  for (let run = 0; run < 9; run += 1) {
    const started = process.hrtime.bigint();
    let characters = 0;
    for (let done = 0; done < tokens; done += length) characters += stream(length);
    if (characters === 0) throw new Error('no text came out');
    runs.push(Number(process.hrtime.bigint() - started) / tokens);
  }
  return runs.sort((a, b) => a - b)[4];
}

stream(20_000);
console.log(JSON.stringify({ ns: measure() }));
setInterval(() => undefined, 60_000);
