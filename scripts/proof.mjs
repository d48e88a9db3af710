// npm run proof -- NAME [options]: proofs that take longer than continuous integration may.
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const folder = fileURLToPath(new URL('./proofs', import.meta.url));
const names = readdirSync(folder)
  .filter((file) => file.endsWith('.mjs'))
  .map((file) => file.replace('.mjs', ''));

const [name, ...args] = process.argv.slice(2);
if (!names.includes(name)) {
  console.error(`usage: npm run proof -- NAME [options]; there are: ${names.join(', ')}`);
  process.exit(64);
}
const { prove } = await import(pathToFileURL(join(folder, `${name}.mjs`)).href);
process.exit((await prove(args)) ? 0 : 1);
