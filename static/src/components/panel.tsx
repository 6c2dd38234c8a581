import { clsx } from 'clsx'
import { type ReactNode, useEffect, useRef } from 'react'
import { Empty, type EmptyProps } from './states'

interface PanelProps {
  title?: ReactNode
  /** At the right of the title. */
  aside?: ReactNode
  children: ReactNode
  className?: string
  /** Without space around the content, for tables and lists. */
  flush?: boolean
}

/** There is no such page, job or execution: the title of the page shows it. */
export function Missing(props: EmptyProps) {
  return (
    <div className="p-6">
      <Empty {...props} alone />
    </div>
  )
}

/** A titled part of a page. */
export function Panel({ title, aside, children, className, flush }: PanelProps) {
  return (
    <section className={clsx('min-w-0 rounded-lg border bg-surface', className)}>
      {title && (
        <header className="flex min-h-11 items-center justify-between gap-3 border-b px-4 py-1.5">
          <h2 className="font-semibold text-sm">{title}</h2>
          {aside && <div className="flex items-center gap-2 text-muted text-xs">{aside}</div>}
        </header>
      )}
      <div className={clsx(!flush && 'p-4')}>{children}</div>
    </section>
  )
}

interface PageProps {
  /** A link to the list of the page. */
  up?: ReactNode
  title: ReactNode
  /** One line below the title. */
  note?: ReactNode
  actions?: ReactNode
  children: ReactNode
  /** Fills the window; the content scrolls inside. */
  fixed?: boolean
}

/** A page: heading, commands, content. */
export function Page({ up, title, note, actions, children, fixed }: PageProps) {
  const heading = useRef<HTMLHeadingElement>(null)
  useEffect(() => {
    document.title = `${heading.current?.textContent ?? ''} · Horolog`
  })
  return (
    <div className={clsx('mx-auto flex w-full max-w-[1600px] flex-col gap-4 p-4 lg:px-6 lg:py-5', fixed && 'h-full')}>
      <header className="flex flex-wrap items-start justify-between gap-x-4 gap-y-2">
        <div className="min-w-0">
          {up && <div className="truncate text-muted text-xs hover:text-ink hover:underline">{up}</div>}
          <h1 ref={heading} className="line-clamp-3 font-semibold text-xl [overflow-wrap:anywhere]">
            {title}
          </h1>
          {note && <div className="mt-0.5 text-muted text-sm">{note}</div>}
        </div>
        {actions && <div className="flex flex-wrap items-center gap-2">{actions}</div>}
      </header>
      {children}
    </div>
  )
}
