// Chats by the model's own template, which is written in Jinja and part of the GGUF file.
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';

/** One that no tokenizer knows, and no text has. */
const MARK = '\u{F0000}';

/** Messages to the ids of a prompt that ends where the answer begins; null: the model has no template. */
export async function createChatTemplate(model) {
  const source = model.fileInfo.metadata.tokenizer.chat_template;
  if (typeof source !== 'string' || source === '') return null;
  // The one that node-llama-cpp brings along.
  const resolve = createRequire(import.meta.resolve('node-llama-cpp')).resolve;
  const { Template } = await import(pathToFileURL(resolve('@huggingface/jinja')).href);
  const template = new Template(source);
  const { bos, bosString, eosString, shouldPrependBosToken } = model.tokens;
  const controls = controlTexts(model);

  return (messages) => {
    const texts = [];
    // Words of a user that look like a control token stay words: who could write one could speak as the system.
    const hide = (content) => {
      if (controls === null) return content;
      return content.replace(controls, (text) => `${MARK}${texts.push(text) - 1}${MARK}`);
    };
    const rendered = template.render({
      messages: messages.map(({ role, content }) => ({ role, content: hide(content) })),
      bos_token: bosString ?? '',
      eos_token: eosString ?? '',
      add_generation_prompt: true,
    });
    // Odd parts are the numbers of hidden texts.
    const ids = rendered.split(MARK).flatMap((part, index) => {
      if (part === '') return [];
      return index % 2 === 0 ? model.tokenize(part, true) : model.tokenize(texts[Number(part)], false);
    });
    return shouldPrependBosToken && bos !== null && ids[0] !== bos ? [bos, ...ids] : ids;
  };
}

function controlTexts(model) {
  const { tokens, token_type: types = [] } = model.fileInfo.metadata.tokenizer.ggml;
  const CONTROL = 3;
  const USER_DEFINED = 4;
  const texts = tokens.filter(
    (text, id) => text !== '' && (types[id] === CONTROL || types[id] === USER_DEFINED),
  );
  if (texts.length === 0) return null;
  const longestFirst = texts
    .sort((a, b) => b.length - a.length)
    .map((text) => text.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&'));
  return new RegExp(longestFirst.join('|'), 'g');
}
