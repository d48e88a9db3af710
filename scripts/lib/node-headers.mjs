// node-gyp wants a folder with include/node. The addon includes Node-API's headers and nothing else of Node, so the
// package node-api-headers serves every Node version and every target; nothing is downloaded.
import { copyFileSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';

/** Writes such a folder and returns it. */
export function writeNodeHeaders(folder) {
  const include = join(folder, 'include/node');
  mkdirSync(include, { recursive: true });
  const headers = createRequire(import.meta.url)('node-api-headers').include_dir;
  for (const name of readdirSync(headers)) copyFileSync(join(headers, name), join(include, name));
  writeFileSync(
    join(include, 'config.gypi'),
    JSON.stringify({ variables: process.config.variables, target_defaults: {} }),
  );
  writeFileSync(join(include, 'common.gypi'), JSON.stringify(commonGypi(), null, 2));
  return folder;
}

/** What of Node's own common.gypi matters to an addon. */
function commonGypi() {
  return {
    variables: { 'visibility%': 'hidden', 'openssl_fips%': '' },
    target_defaults: {
      default_configuration: 'Release',
      cflags: ['-pthread', '-Wall', '-Wextra', '-Wno-unused-parameter'],
      cflags_cc: ['-fno-rtti', '-fno-exceptions'],
      ldflags: ['-pthread'],
      configurations: {
        Release: { cflags: ['-O3', '-fno-omit-frame-pointer'] },
        Debug: { cflags: ['-g', '-O0'] },
      },
      target_conditions: [["_type=='loadable_module'", { cflags: ['-fPIC'] }]],
    },
  };
}
