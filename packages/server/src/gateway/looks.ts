import { canRead, type SourceDeployment } from '../operations/hostChoice.ts';
import type { Executor } from '../store/executor.ts';
import * as links from '../store/links.ts';
import * as liveMigrations from '../store/liveMigrations.ts';
import * as migrationHosts from '../store/migrationHosts.ts';
import type { LiveMigrationRow, MigrationHostRow, ValidationRow } from '../store/schema.ts';
import type { Store } from '../store/store.ts';
import * as subLeases from '../store/subLeases.ts';
import * as validations from '../store/validations.ts';

/** A wake is a hint only: what correctness rests on is looking this often, in milliseconds. */
const LOOK_EVERY_MS = 1000;
/** Long polls look at these moments, so that many look at once: four times a second. */
const TOGETHER_MS = LOOK_EVERY_MS / 4;
/** Hosts in one look: statements have a limit of parameters. */
const MOST_AT_ONCE = 1000;

/** What the store has of a migration host. */
export interface Look {
  readonly isLinkLive: boolean;
  readonly isHostLinked: boolean;
  readonly validations: readonly ValidationRow[];
  readonly liveMigrations: readonly LiveMigrationRow[];
  /** The migrations of other hosts of which this one may copy ranges. */
  readonly offerings: readonly subLeases.Offering[];
}

type Host = Pick<MigrationHostRow, 'id' | 'link_id'>;

interface Asked {
  readonly host: Host;
  readonly look: PromiseWithResolvers<Look>;
}

/**
 * Looks into the store for the long polls of this node. Those that ask while one look is under way are
 * answered by the next one, all together: the store is asked a handful of times for a thousand hosts,
 * where each by itself would be thousands of statements a second.
 */
export class Looks {
  readonly #store: Pick<Store, 'db' | 'dialect'>;
  #asked: Asked[] = [];
  #looking = false;

  constructor(store: Pick<Store, 'db' | 'dialect'>) {
    this.#store = store;
  }

  /** Begins after it was asked for, so it sees what was committed before. Rejects as the store does. */
  of(host: Host): Promise<Look> {
    const look = Promise.withResolvers<Look>();
    this.#asked.push({ host, look });
    if (!this.#looking) {
      this.#looking = true;
      // Timers of one moment fire one after another: those that follow come along.
      setImmediate(() => void this.#answer());
    }
    return look.promise;
  }

  /** How long a poll that has just looked waits until it looks again, in milliseconds. */
  untilNext(): number {
    const now = performance.now();
    return Math.floor((now + LOOK_EVERY_MS) / TOGETHER_MS) * TOGETHER_MS - now;
  }

  /** Never rejects. */
  async #answer(): Promise<void> {
    while (this.#asked.length > 0) {
      const asked = this.#asked.splice(0, MOST_AT_ONCE);
      try {
        const lookOf = await this.#look(asked.map(({ host }) => host));
        for (const { host, look } of asked) look.resolve(lookOf(host));
      } catch (error) {
        for (const { look } of asked) look.reject(error);
      }
    }
    this.#looking = false;
  }

  async #look(hosts: readonly Host[]): Promise<(host: Host) => Look> {
    const { db, dialect } = this.#store;
    const hostIds = [...new Set(hosts.map(({ id }) => id))];
    const linkIds = [...new Set(hosts.map(({ link_id: linkId }) => linkId))];
    const states = await links.states(db, linkIds);
    const linked = await migrationHosts.listLinked(db, hostIds);
    const pending = byHost(await validations.listPendingOfHosts(db, hostIds));
    const active = byHost(await liveMigrations.listActiveOfHosts(db, hostIds));
    const offered = await subLeases.listOffering(db, dialect, linkIds);
    const invited = await invitedTo(db, hosts, offered);
    return ({ id, link_id: linkId }) => ({
      isLinkLive: states.get(linkId) === 'LINKED',
      isHostLinked: linked.has(id),
      validations: pending.get(id) ?? [],
      liveMigrations: active.get(id) ?? [],
      offerings: offered.filter((offering) => invited.get(offering)?.has(id)),
    });
  }
}

/** The ids of those hosts that are not the migration's own and can read its source, by offering. */
async function invitedTo(
  db: Executor,
  hosts: readonly Host[],
  offered: readonly subLeases.Offering[],
): Promise<ReadonlyMap<subLeases.Offering, ReadonlySet<string>>> {
  const linkIds = new Set(offered.map(({ migration }) => migration.link_id));
  const ids = hosts.filter((host) => linkIds.has(host.link_id)).map(({ id }) => id);
  const rows = await migrationHosts.listByIds(db, ids);
  return new Map(
    offered.map((offering) => {
      const { link_id: linkId, host_id: hostId, source } = offering.migration;
      const wanted = JSON.parse(source) as SourceDeployment;
      const able = rows.filter(
        (row) => row.link_id === linkId && row.id !== hostId && canRead(row, wanted),
      );
      return [offering, new Set(able.map(({ id }) => id))];
    }),
  );
}

function byHost<T extends { readonly host_id: string }>(rows: readonly T[]): Map<string, T[]> {
  return Map.groupBy(rows, ({ host_id: hostId }) => hostId);
}
