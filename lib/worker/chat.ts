/** Chats: their messages as a request has them, and as plain text for engines without a template. */
import { BadRequest } from './bad-request.js';

/** One message of a chat. */
export interface ChatMessage {
  readonly role: string;
  /** Its text; parts of text are put together. */
  readonly content: string;
}

/** @throws BadRequest */
export function parseMessages(messages: unknown): readonly ChatMessage[] {
  if (!Array.isArray(messages) || messages.length === 0)
    throw new BadRequest('messages', 'a list of at least one message', messages);
  return messages.map((message: unknown, index) => {
    const { role, content } = (typeof message === 'object' && message !== null ? message : {}) as {
      role?: unknown;
      content?: unknown;
    };
    if (typeof role !== 'string') throw new BadRequest(`messages[${index}].role`, 'a string', role);
    return { role, content: messageText(content, `messages[${index}].content`) };
  });
}

/** Roles as plain text, for engines without a template of their own. */
export function plainChat(messages: readonly ChatMessage[]): string {
  return `${messages.map(({ role, content }) => `${role}: ${content}`).join('\n')}\nassistant:`;
}

function messageText(content: unknown, where: string): string {
  if (typeof content === 'string') return content;
  if (!Array.isArray(content)) throw new BadRequest(where, 'a string or a list of text parts', content);
  return content
    .map((part: unknown, index) => {
      const { type, text } = (typeof part === 'object' && part !== null ? part : {}) as {
        type?: unknown;
        text?: unknown;
      };
      if (type !== 'text' || typeof text !== 'string')
        throw new BadRequest(`${where}[${index}]`, 'a part of type text', part);
      return text;
    })
    .join('');
}
