import type { ReactNode, Ref } from 'react'
import type { Pages } from '@/api/pages'
import { Grid, type GridProps } from './grid'
import { Failure } from './states'

interface PagedGridProps<Row> extends Omit<GridProps<Row>, 'count' | 'total' | 'rowAt' | 'onLook' | 'onNews'> {
  pages: Pages<Row>
  /** What it shows, as in "Cannot show the jobs". */
  what: string
  /** Stands in its place when there are no rows. */
  empty: ReactNode
  /** Told the rows on the screen, as the list is. */
  onLook?: (first: number, last: number) => void
  ref?: Ref<HTMLDivElement>
}

/** A long list of the API as a table, or why there is none; takes the height that is left on its page. */
export function PagedGrid<Row>({ pages, what, empty, ref, ...grid }: PagedGridProps<Row>) {
  return (
    <div ref={ref} className="min-h-80 flex-1">
      {pages.error ? (
        <Failure error={pages.error} what={what} retry={pages.refetch} />
      ) : pages.ready && pages.count === 0 ? (
        empty
      ) : (
        <Grid
          onLook={pages.look}
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
