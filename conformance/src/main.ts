import { CONTRACT } from './contract.ts';
import { describeRows, summaryOf } from './table.ts';
import { type Row, walkOperation } from './walk.ts';
import { startWorld } from './world.ts';

await using world = await startWorld();
const rows: Row[] = [];
for (const operation of CONTRACT.operations) rows.push(...(await walkOperation(world, operation)));
console.log(describeRows(rows));
const { calls, wrong, missing } = summaryOf(rows);
console.log(
  `\n${CONTRACT.operations.length} operations, ${rows.length} versions of them, ${calls} calls; wrong: ${wrong}, missing: ${missing}`,
);
process.exitCode = wrong + missing > 0 ? 1 : 0;
