import type { AdminCommand, AdminResult } from '../probe/admin-commands.js';
import type { Shutdown } from './shutdown.js';

/** What the admin listener has passed on, on the main thread. */
export function runAdminCommand(shutdown: Shutdown, command: AdminCommand): AdminResult {
  const isDone = run(shutdown, command);
  const { phase, reason, exits, remainingMs } = shutdown.status();
  return { isDone, phase, reason, exits, remainingMs };
}

function run(shutdown: Shutdown, command: AdminCommand): boolean {
  switch (command.type) {
    case 'drain': {
      const deadline = command.deadlineMs === null ? {} : { deadlineMs: command.deadlineMs };
      if (command.exits) shutdown.begin({ reason: 'admin', ...deadline });
      else shutdown.pause('admin', command.deadlineMs ?? undefined);
      return true;
    }
    case 'resume':
      return shutdown.resume();
    case 'status':
      return true;
  }
}
