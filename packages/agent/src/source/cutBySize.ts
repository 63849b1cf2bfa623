/** Runs of documents or keys of at most that many bytes; a larger one stands alone. */
export function* cutBySize(documents: readonly Buffer[], limit: number): Generator<Buffer[]> {
  let run: Buffer[] = [];
  let bytes = 0;
  for (const document of documents) {
    if (run.length > 0 && bytes + document.length > limit) {
      yield run;
      run = [];
      bytes = 0;
    }
    run.push(document);
    bytes += document.length;
  }
  if (run.length > 0) yield run;
}

export function sizeOf(documents: readonly Buffer[]): number {
  return documents.reduce((sum, document) => sum + document.length, 0);
}
