/** Requests that the loop may serve before it has turned; a client that pipelines more is asked to come back. */
const REQUESTS_PER_TURN = 1_024;
/** `setImmediate` makes the next poll return at once, so it is armed once in a while, not for every request. */
const ARM_AFTER = 128;

/**
 * Both engines read one socket for as long as it has bytes: a single client that pipelines without a pause kept
 * uWebSockets.js from every other connection, timer and message for ever, and node:http for up to a second (measured).
 * Answers beyond the budget carry `Connection: close`, which gives the loop back to the others.
 *
 * @returns a function to call for each request: true while the loop may go on with this connection.
 */
export function createTurnBudget(): () => boolean {
  let served = 0;
  const turn = () => {
    served = 0;
  };
  return () => {
    served += 1;
    if (served === ARM_AFTER) setImmediate(turn);
    return served <= REQUESTS_PER_TURN;
  };
}
