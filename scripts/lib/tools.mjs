import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';

export function isInstalled(tool) {
  return (process.env.PATH ?? '').split(delimiter).some((folder) => {
    try {
      accessSync(join(folder, tool), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

/** The command that installs Debian packages, as a person would type it. */
export function aptGet(packages) {
  return `apt-get update && apt-get install -y --no-install-recommends ${packages.join(' ')}`;
}
