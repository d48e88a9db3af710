import { parseArgs as parse } from 'node:util';

const NUMBER = /^\d+(\.\d+)?$/;

/**
 * That of node:util, for people: what is wrong with the flags is said in a line, with exit code 64. A flag whose default is a
 * number takes numbers alone, since NaN would run a proof that does nothing.
 */
export function parseArgs(config) {
  try {
    const parsed = parse(config);
    for (const [name, { default: usual }] of Object.entries(config.options)) {
      const value = parsed.values[name];
      if (NUMBER.test(usual) && !NUMBER.test(value))
        return refuse(`--${name}: expected a number, received ${JSON.stringify(value)}`);
    }
    return parsed;
  } catch (error) {
    if (!String(error.code).startsWith('ERR_PARSE_ARGS')) throw error;
    const known = Object.keys(config.options).map((name) => `--${name}`);
    return refuse(`${error.message.split('. ', 1)[0]}; there are ${known.join(', ')}`);
  }
}

function refuse(message) {
  console.error(message);
  process.exit(64);
}
