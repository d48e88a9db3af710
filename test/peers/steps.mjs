// What a frontend owes its clients, whatever engine is behind it. Each step says what it saw, or throws what does not hold.
import {
  choices,
  clientLeaves,
  errors,
  found,
  logprobs,
  sameAsDirect,
  sampling,
  stopStrings,
} from './answers.mjs';
import { chat, completion } from './bodies.mjs';
import { allDead, idleDeath, killed, killedBeforeStop, stopped } from './strikes.mjs';

export const STEPS = [
  ['found', 'servers that start after the frontend are found', found],
  ['same', 'answers are those of the server itself', sameAsDirect],
  ['stop', 'stop strings', stopStrings],
  ['n', 'several choices', choices],
  ['sampling', 'sampling options', sampling],
  ['logprobs', 'log probabilities', logprobs],
  ['errors', "the engine's refusals", errors],
  ['leave', 'a client that leaves', clientLeaves],
  ['kill', 'SIGKILL in a completion', killed('completions', completion)],
  ['kill-chat', 'SIGKILL in a chat', killed('chat/completions', chat)],
  ['kill-stop', 'SIGKILL before a stop string', killedBeforeStop],
  ['freeze', 'SIGSTOP in a completion', stopped],
  ['death', 'an idle server dies', idleDeath],
  ['all', 'all servers die', allDead],
];
