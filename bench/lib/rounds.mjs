// Subjects in turn, several times over, so that what disturbs the machine disturbs all of them.

/**
 * @param {string[]} names
 * @param {{ rounds: number, roundsOf?: (name: string) => number }} plan
 * @param {(name: string) => Promise<object>} measure
 * @returns {Promise<Map<string, object[]>>} results in the order of the rounds
 */
export async function interleave(names, { rounds, roundsOf = () => rounds }, measure) {
  const results = new Map(names.map((name) => [name, []]));
  for (let round = 0; round < rounds; round++) {
    for (const name of names) {
      if (round < roundsOf(name)) results.get(name).push(await measure(name));
    }
  }
  return results;
}
