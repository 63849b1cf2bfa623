import type { ApiRequest } from '@linkspan/cli/api/client.ts';
import type { Random } from '@linkspan/e2e/torture/random.ts';
import { migrationRequest } from '@linkspan/testkit/migrationCalls.ts';
import type { LinkedTenant, Tenant } from './organizations.ts';

const FIRST = '2023-01-01';
const ATLAS_V2 = '/api/atlas/v2';
const OWN = '/api/linkspan/v1';
const V2: ApiRequest = { version: FIRST };

export interface Call {
  readonly name: string;
  readonly tenant: Tenant;
  readonly method: 'GET' | 'POST' | 'DELETE';
  readonly path: string;
  readonly options: ApiRequest;
  /** The status of success. */
  readonly wanted: number;
  /** Called with the body of success, and with null after anything else. */
  readonly done: (body: unknown) => void;
}

interface Kind {
  readonly weight: number;
  readonly make: () => Call;
}

/** What the mixed requests go to: organizations with a link, and some that make and remove theirs. */
export interface Targets {
  readonly linked: readonly LinkedTenant[];
  readonly spare: readonly Tenant[];
}

/** Mixed requests of the API: nine of ten only read, as tools that poll do. */
export class Mix {
  readonly #random: Random;
  readonly #targets: Targets;
  readonly #kinds: readonly Kind[];
  readonly #validations: { tenant: LinkedTenant; id: string }[] = [];
  readonly #hasLink = new Set<Tenant>();
  readonly #busy = new Set<Tenant>();

  constructor(targets: Targets, random: Random) {
    this.#targets = targets;
    this.#random = random;
    const read = (
      weight: number,
      name: string,
      path: (tenant: LinkedTenant) => string,
      options: ApiRequest = {},
    ): Kind => ({
      weight,
      make: () => {
        const tenant = random.pick(targets.linked);
        const done = (): void => undefined;
        return { name, tenant, method: 'GET', path: path(tenant), options, wanted: 200, done };
      },
    });
    const v1 = '/api/atlas/v1.0';
    const migrations = ({ projectId }: Tenant): string => `/groups/${projectId}/liveMigrations`;
    const orgOf = ({ orgId }: Tenant): string => `/orgs/${orgId}`;
    this.#kinds = [
      read(18, 'live migration, v2', (t) => `${ATLAS_V2}${migrations(t)}/${t.migrationId}`, V2),
      read(14, 'live migration, own', (t) => `${OWN}${migrations(t)}/${t.migrationId}`),
      read(8, 'live migrations, own', (t) => `${OWN}${migrations(t)}`),
      read(
        12,
        'available projects, v2',
        (t) => `${ATLAS_V2}${orgOf(t)}/liveMigrations/availableProjects`,
        V2,
      ),
      read(12, 'link, own', (t) => `${OWN}${orgOf(t)}/liveMigrations/link`),
      read(8, 'API keys, v2', (t) => `${ATLAS_V2}${orgOf(t)}/apiKeys`, V2),
      read(6, 'API keys, v1.0', (t) => `${v1}${orgOf(t)}/apiKeys`),
      read(6, 'projects, v2', (t) => `${ATLAS_V2}${orgOf(t)}/groups`, V2),
      read(4, 'project, v1.0', (t) => `${v1}/groups/${t.projectId}`),
      read(2, 'events, v2', (t) => `${ATLAS_V2}${orgOf(t)}/events?itemsPerPage=20`, V2),
      { weight: 1, make: () => this.#validate() },
      { weight: 5, make: () => this.#validation() },
      { weight: 4, make: () => this.#linkToken() },
    ];
  }

  next(): Call {
    return this.#random.weighted(this.#kinds).make();
  }

  #validate(): Call {
    const tenant = this.#random.pick(this.#targets.linked);
    const { projectId, database } = tenant;
    return {
      name: 'POST validate, own',
      tenant,
      method: 'POST',
      path: `${OWN}/groups/${projectId}/liveMigrations/validate`,
      options: {
        body: {
          ...migrationRequest(projectId),
          migrationHosts: [`host0.${database}.example.net`],
          namespaces: { include: [`${database}.*`] },
        },
      },
      wanted: 200,
      done: (body) => {
        const id = (body as { _id?: string } | null)?._id;
        if (id !== undefined) this.#validations.push({ tenant, id });
      },
    };
  }

  /** One of those that were made, else another request of a validation. */
  #validation(): Call {
    if (this.#validations.length === 0) return this.#validate();
    const { tenant, id } = this.#random.pick(this.#validations.slice(-100));
    return {
      name: 'validation, v2',
      tenant,
      method: 'GET',
      path: `${ATLAS_V2}/groups/${tenant.projectId}/liveMigrations/validate/${id}`,
      options: V2,
      wanted: 200,
      done: () => undefined,
    };
  }

  /** Makes the link-token of an organization that has none, removes that of one that has. */
  #linkToken(): Call {
    const tenant = this.#targets.spare.find((one) => !this.#busy.has(one));
    if (tenant === undefined) return this.#validation();
    this.#busy.add(tenant);
    const had = this.#hasLink.has(tenant);
    const { orgId } = tenant;
    return {
      name: had ? 'DELETE linkTokens, v2' : 'POST linkTokens, v2',
      tenant,
      method: had ? 'DELETE' : 'POST',
      path: `${ATLAS_V2}/orgs/${orgId}/liveMigrations/linkTokens`,
      options: had ? V2 : { ...V2, body: { accessListIps: [] } },
      wanted: had ? 204 : 201,
      done: (body) => {
        this.#busy.delete(tenant);
        if (had) this.#hasLink.delete(tenant);
        else if (body !== null) this.#hasLink.add(tenant);
      },
    };
  }
}
