#!/bin/sh
# A runner that goes wrong in some manner at some method, and is content otherwise; it computes nothing but zeros.
manner=$1
when=$2

while read -r line; do
    case $line in
    *'"method":"hello"'*) method=hello ;;
    *'"method":"prepare"'*)
        method=prepare
        # Bytes that are nowhere a right result.
        outputs=$(printf '%s' "${line#*\"outputs\"}" | grep -o '"path":"[^"]*"' | cut -d '"' -f 4)
        ;;
    *'"method":"run"'*) method=run ;;
    *'"method":"time"'*) method="time" ;;
    *) method=drop ;;
    esac
    if [ "$method" = "$when" ]; then
        case $manner in
        crash)
            echo "out of luck" >&2
            exit 3
            ;;
        hang) exec sleep 60 ;;
        refuse) echo '{"reply":"unsupported","reason":"not today"}' && continue ;;
        error) echo '{"reply":"error","message":"something broke"}' && continue ;;
        babble) echo 'once upon a time' && echo '{"once":"upon"}' && continue ;;
        esac
    fi
    case $method in
    hello) echo '{"reply":"hello","version":"0","device":"none","timed":"nothing"}' ;;
    prepare) echo '{"reply":"ready"}' ;;
    run)
        if [ "$manner" != nothing ]; then
            for path in $outputs; do
                # 4 channels of 12 x 12, more than any gradient has.
                head -c 2304 /dev/zero >"$path"
            done
        fi
        echo '{"reply":"done"}'
        ;;
    time) echo '{"reply":"times","ms":[0.001],"repeats":1}' ;;
    drop) echo '{"reply":"done"}' ;;
    esac
done
