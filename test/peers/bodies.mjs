// What is asked of a server and of the frontend before it.
export const PROMPT = 'who controls the past';
const CHAT = [{ role: 'user', content: 'who controls the past' }];
export const SHORT = 40;

export const completion = (extra = {}) => ({ prompt: PROMPT, temperature: 0, max_tokens: SHORT, ...extra });
export const chat = (extra = {}) => ({ messages: CHAT, temperature: 0, max_tokens: SHORT, ...extra });
export const ENDPOINTS = [
  ['completions', completion],
  ['chat/completions', chat],
];
export const textOf = ({ text, message }) => text ?? message.content;
export const ms = (value) => `${Math.round(value)} ms`;
