import Type, { type Static } from 'typebox';
import { closed, Id, Links, Time } from './common.ts';

const event = {
  /** The API key that did it; absent if it was no API key. */
  apiKeyId: Type.Optional(Id),
  created: Time,
  eventTypeName: Type.String(),
  groupId: Type.Optional(Id),
  id: Id,
  isGlobalAdmin: Type.Boolean(),
  links: Links,
  orgId: Id,
  /** Of the API key that did it, or the client ID of the service account. */
  publicKey: Type.Optional(Type.String()),
  /** With `includeRaw`: everything that is known of it. */
  raw: Type.Optional(Type.Record(Type.String(), Type.Unknown())),
  /** IPv6 in all of its eight groups. */
  remoteAddress: Type.Optional(Type.String()),
  /** What it was done to, unless another field names that. */
  resourceId: Type.Optional(Type.String()),
  resourceType: Type.Optional(Type.String()),
  /** The API key that it was done to. */
  targetPublicKey: Type.Optional(Type.String()),
  /** The entry that was added to an API key's access list, or taken off it. */
  whitelistEntry: Type.Optional(Type.String()),
};

/** An event as its organization sees it: the fields of Atlas's own kinds of events. */
export const OrganizationEvent = Type.Object(event, closed);
export type OrganizationEvent = Static<typeof OrganizationEvent>;

/** The same as its project sees it: there clusters have names. */
export const ProjectEvent = Type.Object(
  { ...event, clusterName: Type.Optional(Type.String()) },
  closed,
);
export type ProjectEvent = Static<typeof ProjectEvent>;
