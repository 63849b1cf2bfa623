import { compareClusters } from '@linkspan/testkit/compare.ts';
import type { MongoDB } from '@linkspan/testkit/mongodb.ts';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BYTES } from './holds/bytes.ts';
import { DOCUMENTS } from './holds/documents.ts';
import type { Holding, Place } from './holds/holding.ts';
import { NAMES } from './holds/names.ts';
import { STRUCTURES } from './holds/structures.ts';
import { EnginePair } from './support/enginePair.ts';

const HOLDINGS: readonly Holding[] = [...BYTES, ...DOCUMENTS, ...STRUCTURES, ...NAMES];

let pair: EnginePair;
let differences: readonly string[] = [];
const lacking = new Map<Holding, string>();
/** What the source refused: an error in a hook would be taken for the engine's own, and tried again. */
const refused = new Map<Holding, unknown>();
/** Those that the copy has not come to. */
let missed: ReadonlySet<Holding>;

function placeOf(mongodb: MongoDB, { db }: Holding): Place {
  const client = mongodb.client();
  return { client, db: client.db(db), mongodb };
}

async function act(holding: Holding, step: 'fill' | 'during' | 'after'): Promise<void> {
  try {
    await holding[step]?.(placeOf(pair.source, holding));
  } catch (error) {
    refused.set(holding, error);
  }
}

/** One migration of everything, with everything going on while it is copied and while it is followed. */
beforeAll(async () => {
  pair = await EnginePair.start();
  await pair.reset();
  for (const holding of HOLDINGS) {
    const reason = (await holding.lacks?.(placeOf(pair.source, holding))) ?? null;
    if (reason === null) await act(holding, 'fill');
    else lacking.set(holding, reason);
  }
  const held = HOLDINGS.filter((holding) => !lacking.has(holding));
  const waiting = new Set(held.filter(({ during }) => during !== undefined));
  missed = waiting;
  const hooks = {
    async afterRead(what: string, namespace: string) {
      const reached = [...waiting].find(({ db }) => namespace.startsWith(`${db}.`));
      if (what !== 'copy' || reached === undefined) return;
      waiting.delete(reached);
      await act(reached, 'during');
    },
  };
  const { id, run } = await pair.tailing({ hooks, options: { copyBatchBytes: 1 } });
  for (const holding of held) await act(holding, 'after');
  await pair.side.cutOver(id);
  expect(await run.ended).toBeNull();
  ({ differences } = await compareClusters(pair.source.uri, pair.destination.uri));
}, 180_000);

afterAll(() => pair?.[Symbol.asyncDispose]());

describe('I2: whatever a source holds, and whatever happens to it meanwhile, is equal at the end', () => {
  it.for(HOLDINGS)('$name', async (holding, { skip }) => {
    const reason = lacking.get(holding);
    if (reason !== undefined) skip(reason);
    expect(refused.get(holding)).toBeUndefined();
    expect(missed.has(holding), 'the copy has not come to it').toBe(false);
    expect(differences.filter((one) => one.startsWith(holding.db))).toEqual([]);
    await holding.check?.(placeOf(pair.destination, holding));
  });

  it('nothing else differs', () => {
    expect(differences).toEqual([]);
  });
});
