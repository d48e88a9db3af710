/**
 * Says last what needs a look: tests that failed, and tests that passed only at their second try, since a test that starts
 * processes may lose a race on a machine that does much else. `TEST_REPORT` names a file that gets the same as JSON, for
 * .ci/run: `{ passed, failed, text }`, where a file that cannot be loaded and an error outside a test are failures too.
 */
import { writeFileSync } from 'node:fs';
import { stripVTControlCharacters } from 'node:util';

const MESSAGE_LINES = 12;

/** @param {readonly { message: string, stack?: string }[]} errors */
function shortened(errors) {
  return errors.map(({ message, stack }) =>
    stripVTControlCharacters(stack ?? message)
      .split('\n')
      .filter((line) => !/node_modules|node:internal|<anonymous>/.test(line))
      .slice(0, MESSAGE_LINES)
      .map((line) => `    ${line}`)
      .join('\n'),
  );
}

export class TestReporter {
  onTestRunEnd(modules, unhandled) {
    let passed = 0;
    const failures = unhandled.map((error) => ['outside a test', [error]]);
    const flaky = [];
    for (const module of modules) {
      const errors = module.errors();
      if (errors.length > 0) failures.push([module.relativeModuleId, errors]);
      for (const suite of module.children.allSuites())
        if (suite.errors().length > 0)
          failures.push([`${module.relativeModuleId}: ${suite.fullName}`, suite.errors()]);
      for (const test of module.children.allTests()) {
        const name = `${module.relativeModuleId}: ${test.fullName}`;
        const { state, errors: found } = test.result();
        if (state === 'passed') passed += 1;
        if (state === 'failed') failures.push([name, found]);
        if (test.diagnostic()?.flaky) flaky.push([name, found ?? []]);
      }
    }
    const text = [
      ...failures.flatMap(([name, errors]) => [`FAILED ${name}`, ...shortened(errors)]),
      ...flaky.flatMap(([name, errors]) => [`PASSED AT THE SECOND TRY ${name}`, ...shortened(errors)]),
    ].join('\n');
    if (text !== '') process.stdout.write(`\n${text}\n`);
    if (process.env.TEST_REPORT)
      writeFileSync(process.env.TEST_REPORT, JSON.stringify({ passed, failed: failures.length, text }));
  }
}
