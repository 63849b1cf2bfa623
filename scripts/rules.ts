import { globSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const TESTS = [
  'packages/*/test/**/*.test.ts',
  'e2e/src/**/*.test.ts',
  'conformance/test/**/*.test.ts',
];

/** From the root of the repository. */
export const RULES_PAGE = 'docs/10-rules-and-tests.md';

/** A rule of the data plane, an invariant, or a hazard that lost or corrupted data somewhere. */
export interface Rule {
  /** As tests begin their names with it: `D12`, `I3`, `Hazard 7`. */
  readonly id: string;
  readonly what: string;
  /** Rules whose tests show this one, too. */
  readonly by?: readonly string[];
  /** What is not shown where the tests run on SecantusDB, and why. */
  readonly open?: string;
}

export const RULES: readonly Rule[] = [
  {
    id: 'D1',
    what: 'The first resume token is durable before anything is listed; lost history means repair',
  },
  { id: 'D2', what: 'Keys belong to one life of a collection, across renames' },
  { id: 'D3', what: 'The last operation of a key is kept, whatever else happens' },
  { id: 'D4', what: 'Events on a list are ignored, unknown ones make a new listing' },
  {
    id: 'D5',
    what: 'Every cutover lists and compares: no source sends all structural events',
    open: 'no source before 6.0 is here: a proxy before SecantusDB says that it is one, and refuses what such a one does not know; SecantusDB tells of views, of which a `mongod` sends no event: what a listing alone shows is shown with listings that a proxy answers',
  },
  {
    id: 'D6',
    what: 'Reads are of the majority, after the time that they are made for',
    open: 'SecantusDB ignores `afterClusterTime`: that it is sent is shown, that a server waits is not',
  },
  {
    id: 'D7',
    what: 'What was read counts once the stream has passed the read under the same name',
    open: 'an empty reply of SecantusDB may carry a time that is newer than a write that is still being committed; only that of the opening is known to be early, and is not believed',
  },
  { id: 'D8', what: 'A key read back as missing is deleted only if nothing happened to it since' },
  { id: 'D9', what: 'Ranges cover every type of `_id`; progress is the acknowledged prefix' },
  {
    id: 'D10',
    what: 'A duplicate is ignored on `_id` alone; write errors and write-concern errors are both read',
  },
  { id: 'D11', what: 'Copies go only into what this migration made, or what is empty' },
  { id: 'D12', what: 'Capped collections keep their order' },
  { id: 'D13', what: 'A key is in one batch at a time, in one lane, first in, first out' },
  {
    id: 'D14',
    what: 'No write of an older session lands after a newer one was opened',
    by: ['I5', 'C2'],
    open: 'SecantusDB takes an older `txnNumber`, so there the proof is that it lists no connection of the older session; that a `mongod` refuses one is used where it is found, and shown only there',
  },
  { id: 'D15', what: 'An equal `_id` of other bytes is a delete, then an insert' },
  { id: 'D16', what: 'Drops and renames alone are barriers; a refusal reconciles the collection' },
  {
    id: 'D17',
    what: 'Documents that hold the unique keys of each other make way; what goes on to be refused is named',
  },
  { id: 'D18', what: 'Renames in and out of what is tracked, with dropTarget, `$out`' },
  { id: 'D19', what: 'Verified means equal digests of everything that was not changed meanwhile' },
  {
    id: 'D20',
    what: 'Time series are repaired after the drain and compared once more',
    open: 'SecantusDB sends events for their buckets, a mongod does not',
  },
  {
    id: 'D21',
    what: 'Drained: the stream has passed a linearizable read, nothing is open or pending',
  },
  { id: 'D22', what: 'The order of a cutover; a failed one goes back to work' },
  {
    id: 'D23',
    what: 'A write block at the source is recorded before it is set, and can be lifted',
  },
  {
    id: 'D24',
    what: 'A source that does not journal majority writes, or is sharded, is refused',
    open: 'SecantusDB has no such setting, and is no `mongos`: a proxy before it says so',
  },
  {
    id: 'I1',
    what: 'After a link-token was removed nothing is written any more',
    by: ['C1', 'C2', 'C3', 'C6'],
    open: 'SecantusDB builds no index in two phases and there is no mongos: what they answer while a build or a shard goes on is said by a proxy before it, after the source of the server',
  },
  { id: 'I2', what: 'After a cutover both sides are equal, byte for byte' },
  { id: 'I3', what: 'kill -9 of agent, server, source or destination: it goes on' },
  { id: 'I4', what: 'Only what the destination acknowledged durably counts' },
  { id: 'I5', what: 'Nothing of an older push session is written after a newer one' },
  { id: 'I6', what: 'Memory does not grow with data or backlog' },
  { id: 'I7', what: 'The source is only read' },
  { id: 'I8', what: 'Status never flatters' },
  { id: 'Hazard 1', what: 'Copy and tail overlap', by: ['D7', 'D13'] },
  { id: 'Hazard 2', what: 'A duplicate and a write-concern error in one reply', by: ['D10'] },
  {
    id: 'Hazard 3',
    what: 'Diffs on newer documents; field names with dots, numbers, `$`; field order',
    by: ['D15', 'I2'],
  },
  {
    id: 'Hazard 4',
    what: '`_id`s of mixed types, NaN, `1` beside `1.0`, strings equal under a collation',
    by: ['D9', 'D15'],
  },
  {
    id: 'Hazard 5',
    what: 'Unique indexes violated in passing, TTL in mid-sync, validators',
    by: ['D17', 'D22', 'D15'],
  },
  {
    id: 'Hazard 6',
    what: 'No collation on an index of a collated collection means the simple one',
  },
  { id: 'Hazard 7', what: 'Capped collections: order, wrap-around, convertToCapped', by: ['D12'] },
  {
    id: 'Hazard 8',
    what: 'Renames across a filter, with dropTarget, in mid-copy; the same name again',
    by: ['D2', 'D18', 'D7'],
  },
  {
    id: 'Hazard 9',
    what: 'Events over 16 MB stop a stream for good',
    open: 'the projection keeps keys alone, so that no event is large; no server here makes one',
    by: ['D1'],
  },
  { id: 'Hazard 10', what: 'The oplog rolls over during a long copy', by: ['D1'] },
  { id: 'Hazard 11', what: 'A resume position is used against another cluster', by: ['D1'] },
  { id: 'Hazard 12', what: 'An idle stream must still advance', by: ['D1'] },
  {
    id: 'Hazard 13',
    what: 'Retryable errors: reconnect, not abort; a create that was answered twice',
  },
  { id: 'Hazard 14', what: 'Two runners of one migration', by: ['I5'] },
  { id: 'Hazard 15', what: 'A crash leaves the source blocked', by: ['D23'] },
  { id: 'Hazard 16', what: 'Writes after the cutover began', by: ['D21', 'D22'] },
  { id: 'Hazard 17', what: 'Stale statistics say that a collection is empty', by: ['D9'] },
  {
    id: 'Hazard 18',
    what: 'Users, roles, search indexes and query settings do not move: said before the start',
  },
];

export interface RuleTest {
  /** `D1`, `I3`, `Hazard 7`, `C2`: all that its name begins with. */
  readonly rules: readonly string[];
  readonly name: string;
  /** From the root of the repository. */
  readonly file: string;
}

const ID = String.raw`(?:[CDI]\d+|Hazard \d+)`;
const NAMED = /\b(?:it|test)(?:\.each\([^;]*?\))?\(\s*(['"`])((?:(?!\1)[^\\]|\\.)*)\1/gs;
const AHEAD = new RegExp(`^(${ID}(?:, ${ID})*): `);
const BEHIND = new RegExp(` \\((${ID}(?:, ${ID})*)\\)$`);

/** All tests whose names begin, or end in brackets, with numbers of rules. */
export function findRuleTests(): RuleTest[] {
  return globSync(TESTS, { cwd: ROOT, exclude: ['**/node_modules/**'] })
    .toSorted()
    .flatMap((file) =>
      [...readFileSync(`${ROOT}/${file}`, 'utf8').matchAll(NAMED)].flatMap(([, , raw = '']) => {
        // What stands for the values of a table, or of the code, says nothing to a reader.
        const name = raw.replaceAll('\\', '').replaceAll(/\$\{[^}]*\}|%[sdij]/g, '…');
        const rules = (AHEAD.exec(name) ?? BEHIND.exec(name))?.[1]?.split(', ');
        return rules === undefined ? [] : [{ rules, name, file }];
      }),
    );
}

/** Rules that no test shows, by their own number or that of a rule that implies them, and no reason is given. */
export function untestedRules(tests: readonly RuleTest[]): string[] {
  const shown = new Set(tests.flatMap(({ rules }) => rules));
  return RULES.filter(
    ({ id, by = [], open }) => ![id, ...by].some((one) => shown.has(one)) && open === undefined,
  ).map(({ id }) => id);
}

/** The page that names the tests of every rule. */
export function rulesPage(): string {
  const tests = findRuleTests();
  const rows = RULES.map(({ id, what, by = [], open }) => {
    const own = tests.filter(({ rules }) => rules.includes(id));
    const cell = [
      ...own.map(({ name, file }) => `${escape(name)} (\`${file}\`)`),
      ...(by.length === 0 ? [] : [`also ${by.join(', ')}`]),
      ...(open === undefined ? [] : [`**open**: ${open}`]),
    ];
    return `| ${id} | ${what} | ${cell.join('<br>')} |`;
  });
  return [
    '# Rules, hazards and the tests that show them',
    '',
    'Made from the names of the tests by `npm run docs`. The rules are those of',
    '[the data plane](03-data-plane.md); the hazards are what lost or corrupted data in tools of the',
    'kind. Tests of rules C are those of [the control plane](04-control-plane.md). A test that the',
    'database at hand cannot run is skipped by name, with the reason; **open** says what no run on',
    'SecantusDB shows. Beside these, `npm run torture` does all of it at once, from a seed.',
    '',
    '| | what | tests |',
    '| --- | --- | --- |',
    ...rows,
    '',
  ].join('\n');
}

function escape(name: string): string {
  return name.replaceAll('|', '\\|').replaceAll('<', '&lt;').replaceAll('$', '\\$');
}
