// Replacements for a page that does not exist, or failed.

import { Link } from '@tanstack/react-router'
import { Compass, TriangleAlert } from 'lucide-react'
import { useState } from 'react'
import { ChunkGone, reloadIfGone } from '@/api/chunks'
import { errorMessage } from '@/api/client'
import { Button, buttonClass } from '@/components/button'
import { Missing } from '@/components/panel'

/** No page has this address. */
export function NotFound() {
  return (
    <Missing icon={Compass} title="There is no such page">
      <p className="mb-3">The address may be mistyped, or from an older version.</p>
      <Link to="/" className={buttonClass()}>
        To the overview
      </Link>
    </Missing>
  )
}

/** A page failed while it was rendered: an error of the dashboard. */
export function PageFailure({ error }: { error: unknown }) {
  const [reloads] = useState(() => reloadIfGone(error))
  if (reloads) return null
  return (
    <div role="alert">
      <Missing
        icon={TriangleAlert}
        title={error instanceof ChunkGone ? 'This page is of another version' : 'The dashboard has an error here'}
      >
        <p className="mb-3 break-words font-mono text-xs">{errorMessage(error)}</p>
        <Button onClick={() => location.reload()}>Reload</Button>
      </Missing>
    </div>
  )
}

/** The frame around all pages failed. */
export function DashboardFailure({ error }: { error: unknown }) {
  return (
    <main>
      <PageFailure error={error} />
    </main>
  )
}
