import type { ReactNode, Ref } from 'react'
import type { Pages } from '@/api/pages'
import { Grid, type GridProps } from './grid'
import { Failure } from './states'

interface PagedGridProps<Row> extends Omit<GridProps<Row>, 'count' | 'total' | 'rowAt' | 'onVisible' | 'onNews'> {
  pages: Pages<Row>
  /** Name of the content, as in "Cannot show the jobs". */
  what: string
  /** Shown in place of an empty list. */
  empty: ReactNode
  /** Called with the visible rows, as in the list. */
  onVisible?: (first: number, last: number) => void
  ref?: Ref<HTMLDivElement>
}

/** A long list of the API as a table, or the reason why there is none; fills the rest of its page. */
export function PagedGrid<Row>({ pages, what, empty, ref, ...grid }: PagedGridProps<Row>) {
  return (
    <div ref={ref} className="min-h-80 flex-1">
      {pages.error ? (
        <Failure error={pages.error} what={what} retry={pages.refetch} />
      ) : pages.ready && pages.count === 0 ? (
        empty
      ) : (
        <Grid
          onVisible={pages.setVisible}
          {...grid}
          count={pages.count}
          total={pages.total}
          rowAt={pages.rowAt}
          onNews={pages.renew}
        />
      )}
    </div>
  )
}
