import type { TokenName } from './tokens.ts';

/** How many of a kind are remembered. */
const REMEMBERED = 8;

/** What an object in an answer is told by: attributes that no other kind has together. */
const KINDS: readonly {
  readonly name: TokenName;
  readonly has: readonly string[];
  readonly id: string;
}[] = [
  { name: 'otherGroupId', has: ['clusterCount'], id: 'id' },
  { name: 'groupName', has: ['clusterCount'], id: 'name' },
  { name: 'accessToken', has: ['access_token'], id: 'access_token' },
  { name: 'apiUserId', has: ['publicKey', 'roles'], id: 'id' },
  { name: 'clientId', has: ['clientId', 'roles'], id: 'clientId' },
  { name: 'secretId', has: ['expiresAt', 'createdAt', 'id'], id: 'id' },
  { name: 'liveMigrationId', has: ['readyForCutover'], id: '_id' },
  { name: 'validationId', has: ['sourceGroupId'], id: '_id' },
  { name: 'eventId', has: ['eventTypeName'], id: 'id' },
  { name: 'clusterName', has: ['hosts', 'topology'], id: 'name' },
  { name: 'ipAddress', has: ['cidrBlock'], id: 'cidrBlock' },
];

/** Ids of what requests have made, so that later requests find something. */
export class Pools {
  readonly #known = new Map<TokenName, string[]>();
  #turn = 0;

  /** Remembers what a success has told. */
  learn(value: unknown): void {
    if (typeof value !== 'object' || value === null) return;
    const record = value as Readonly<Record<string, unknown>>;
    for (const { name, has, id } of KINDS) {
      const found = record[id];
      if (typeof found === 'string' && has.every((key) => key in record)) this.#add(name, found);
    }
    for (const inner of Object.values(value)) this.learn(inner);
  }

  /** One of those that were learned, in turn, or the one that was there at the start. */
  pick(name: TokenName, first: string | undefined): string {
    const known = this.#known.get(name) ?? [];
    this.#turn += 1;
    const choices = first === undefined ? known : [...known, first];
    return choices[this.#turn % choices.length] ?? '0123456789abcdef01234567';
  }

  clear(): void {
    this.#known.clear();
  }

  #add(name: TokenName, value: string): void {
    const others = (this.#known.get(name) ?? []).filter((one) => one !== value);
    this.#known.set(name, [...others, value].slice(-REMEMBERED));
  }
}
