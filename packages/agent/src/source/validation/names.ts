import { finding } from '@linkspan/contract/api/findings.ts';
import {
  differingByCase,
  whyNotNamespace,
} from '@linkspan/contract/namespaces/destinationNames.ts';
import { matches, parseName, parsePattern } from '@linkspan/contract/namespaces/pattern.ts';
import { Selection } from '@linkspan/contract/namespaces/selection.ts';
import type { Finding } from '@linkspan/contract/push/validation.ts';
import type { Namespaces } from '@linkspan/contract/push/work.ts';
import {
  formatNamespace,
  type Namespace,
  namespaceKey,
} from '@linkspan/contract/push/namespaces.ts';
import type { ListedNamespace } from '../listing.ts';
import {
  namesInView,
  viewAtDestination,
  ViewAcrossDatabasesError,
} from '@linkspan/contract/namespaces/views.ts';
import type { Check } from './check.ts';

/** What is to be moved makes sense of what is there. */
export const checkNames: Check = async ({ namespaces, everything }) =>
  namespaces === null ? [] : findingsOfNames(namespaces, everything);

/**
 * Checks what a selection makes of what the source holds now: names that meet, that no server takes, that
 * are not there, and views that lose what they read.
 * @param listed everything that the source holds, selected or not
 */
export function findingsOfNames(
  namespaces: Namespaces,
  listed: readonly ListedNamespace[],
): Finding[] {
  const selection = new Selection(namespaces);
  const selected = listed.filter(({ namespace }) => selection.selects(namespace));
  return [
    ...collisions(selection, selected),
    ...refusedNames(selection, selected),
    ...selected.flatMap((view) => checkView(selection, view, listed)),
    ...unusedPatterns(namespaces, listed),
  ];
}

function collisions(selection: Selection, selected: readonly ListedNamespace[]): Finding[] {
  const byDestination = Map.groupBy(selected, ({ namespace }) =>
    namespaceKey(selection.destinationOf(namespace)),
  );
  const meeting = [...byDestination.values()].filter((sources) => sources.length > 1);
  const databases = selected.map(({ namespace }) => selection.destinationOf(namespace).db);
  return [
    ...meeting.map((sources) => {
      const [first] = sources as [ListedNamespace];
      const to = formatNamespace(selection.destinationOf(first.namespace));
      const names = sources.map(({ namespace }) => formatNamespace(namespace)).join(' and ');
      return finding('NAMESPACES_COLLIDE', `${names} would both be ${to}.`);
    }),
    ...differingByCase(databases).map(([one, other]) =>
      finding('DATABASES_DIFFER_BY_CASE', `"${one}" and "${other}".`),
    ),
  ];
}

function refusedNames(selection: Selection, selected: readonly ListedNamespace[]): Finding[] {
  return selected.flatMap(({ namespace }) => {
    const to = selection.destinationOf(namespace);
    // Under its own name the source has it already.
    const reason = to === namespace ? null : whyNotNamespace(to);
    if (reason === null) return [];
    const names = `${formatNamespace(namespace)} would be ${formatNamespace(to)}`;
    return finding('DESTINATION_NAME_REFUSED', `${names}: ${reason}.`);
  });
}

function checkView(
  selection: Selection,
  { namespace, type, options }: ListedNamespace,
  listed: readonly ListedNamespace[],
): Finding[] {
  if (type !== 'view') return [];
  const name = formatNamespace(namespace);
  try {
    viewAtDestination(selection, namespace, options);
  } catch (failure) {
    if (!(failure instanceof ViewAcrossDatabasesError)) throw failure;
    return [finding('VIEW_ACROSS_DATABASES', `${name}: ${failure.message}.`)];
  }
  const isThere = (used: Namespace): boolean =>
    listed.some((one) => namespaceKey(one.namespace) === namespaceKey(used));
  return namesInView(namespace, options)
    .filter((used) => selection.leavesOut(used) && isThere(used))
    .map((used) =>
      finding('VIEW_WITHOUT_ITS_COLLECTION', `${name} reads ${formatNamespace(used)}.`),
    );
}

function unusedPatterns(namespaces: Namespaces, listed: readonly ListedNamespace[]): Finding[] {
  const unused = (['include', 'exclude'] as const).flatMap((list) =>
    namespaces[list]
      .filter((text) => {
        const pattern = parsePattern(text);
        return !listed.some(({ namespace }) => matches(pattern, namespace));
      })
      .map((text) => [list, text] as const),
  );
  const absent = namespaces.rename.filter(({ from }) => {
    const { db, coll } = parseName(from);
    return !listed.some(
      ({ namespace }) => namespace.db === db && (coll === null || namespace.coll === coll),
    );
  });
  return [...unused, ...absent.map(({ from }) => ['rename', from] as const)].map(([list, text]) =>
    finding('PATTERN_MATCHES_NOTHING', `${list}: ${text}.`),
  );
}
