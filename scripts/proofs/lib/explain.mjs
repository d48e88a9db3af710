// Where a text parts from the undisturbed one, in tokens: what a person needs to find out why.

const FRAMES = 'application/vnd.inference-health.frames+ndjson';

/** @returns {Promise<string>} the position, both tokens, and what a replay on a quiet worker gives */
export async function explain(fleet, load, { id, prompt, at, got, moves }) {
  try {
    const worker = fleet.workers.find(({ isServing }) => isServing);
    const tokens = await frames(worker.url, load.body(prompt));
    const index = tokenAt(tokens, at);
    const wanted = tokens[index];
    const heard = longest(tokens, got);
    const replays = [];
    for (const { tokens: from } of moves) {
      const generated = tokens.slice(0, from).map((token) => token.tokenId);
      const again = await frames(worker.url, { ...load.body(prompt), generated });
      const first = again.find(({ seq, tokenId }) => tokens[seq]?.tokenId !== tokenId);
      replays.push(
        `from token ${from}: ${first === undefined ? 'the same' : `differs at token ${first.seq}, id ${first.tokenId}`}`,
      );
    }
    return `  ${id} differs at token ${index}: id ${heard?.tokenId ?? 'unknown'} instead of ${wanted?.tokenId}; replayed in peace ${replays.join(', ') || 'nothing: it never moved'}`;
  } catch (error) {
    return `  ${id}: ${error.message}`;
  }
}

async function frames(url, body) {
  const response = await fetch(`${url}/v1/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', accept: FRAMES },
    body: JSON.stringify({ temperature: 0, ...body }),
  });
  return (await response.text())
    .split('\n')
    .filter((line) => line.startsWith('['))
    .map((line) => JSON.parse(line))
    .map(([seq, tokenId, bytes]) => ({ seq, tokenId, bytes: Buffer.from(bytes, 'base64') }));
}

/** Index of the token that holds a character of the text. */
function tokenAt(tokens, character) {
  const text = Buffer.concat(tokens.map(({ bytes }) => bytes)).toString();
  const byte = Buffer.byteLength(text.slice(0, character));
  let end = 0;
  return tokens.findIndex(({ bytes }) => {
    end += bytes.length;
    return end > byte;
  });
}

/** The longest known token that a text begins with. */
function longest(tokens, text) {
  const bytes = Buffer.from(text);
  const fit = tokens.filter(
    (token) => token.bytes.length > 0 && bytes.subarray(0, token.bytes.length).equals(token.bytes),
  );
  return fit.sort((a, b) => b.bytes.length - a.bytes.length)[0];
}
