/** A clock face: the mark of the program. */
export function Logo() {
  return (
    <svg viewBox="0 0 32 32" className="size-6" aria-hidden="true">
      <rect width="32" height="32" rx="8" className="fill-accent-solid" />
      <g fill="none" className="stroke-on-solid" strokeWidth="2.5" strokeLinecap="round" strokeLinejoin="round">
        <circle cx="16" cy="16" r="8.5" />
        <path d="M16 11v5l3.5 2.5" />
      </g>
    </svg>
  )
}
