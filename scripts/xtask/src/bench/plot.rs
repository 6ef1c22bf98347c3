// SPDX-License-Identifier: MIT OR Apache-2.0
//! Plots as SVG text: the paper's re-read figure, and all ratios as bars.
//!
//! Narrow on purpose: a phone shows them at full width with letters that can be read.

use anyhow::{Result, anyhow};
use plotters::prelude::*;

use super::results::{Row, Side};

const WIDTH: u32 = 480;
const FONT: &str = "sans-serif";
const STOCK: RGBColor = RGBColor(0x1b, 0x6c, 0xa8);
const OURS: RGBColor = RGBColor(0xc4, 0x45, 0x1c);
const PAPER: RGBColor = RGBColor(0x77, 0x77, 0x77);

/// A ratio above this gets the warmer colour.
const NOTICEABLE: f64 = 1.10;

/// Cycles of the paper's cached 4 KB re-read.
const PAPER_POINTS: [(&str, f64); 3] =
    [("paper: monolithic Linux", 3000.0), ("paper: SawMill", 3500.0), ("paper: Linux on L4", 4200.0)];

/// The re-read by file size; nothing when no case of it ran.
///
/// # Errors
/// The plotting library refused.
pub fn reread(rows: &[Row], unit: &str) -> Result<Option<String>> {
    let points = |side: fn(&Row) -> &Side| -> Vec<(f64, f64)> {
        let rows = rows.iter().filter(|row| row.case == "reread");
        rows.filter_map(|row| Some((row.parameter as f64 / 1024.0, side(row).cost()?))).collect()
    };
    let (stock, ours) = (points(|row| &row.stock), points(|row| &row.ours));
    if stock.is_empty() && ours.is_empty() {
        return Ok(None);
    }
    let all = || stock.iter().chain(&ours);
    let low = all().map(|point| point.0).fold(f64::INFINITY, f64::min) * 0.8;
    let high = all().map(|point| point.0).fold(0.0, f64::max) * 1.25;
    let top = all().map(|point| point.1).fold(4200.0, f64::max) * 1.12;

    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, (WIDTH, 380)).into_drawing_area();
        area.fill(&WHITE).map_err(plot_error)?;
        let mut chart = ChartBuilder::on(&area)
            .margin(8)
            .margin_right(16)
            .x_label_area_size(44)
            .y_label_area_size(60)
            .build_cartesian_2d((low..high).log_scale().base(2.0), 0.0..top)
            .map_err(plot_error)?;
        chart
            .configure_mesh()
            .light_line_style(TRANSPARENT)
            .x_desc("file size, KB")
            .y_desc(unit)
            .x_label_formatter(&|kilobytes| format!("{kilobytes:.0}"))
            .y_label_formatter(&|cycles| super::figures::number(cycles.round()))
            .y_labels(6)
            .label_style((FONT, 13))
            .axis_desc_style((FONT, 13))
            .draw()
            .map_err(plot_error)?;
        for (name, cycles) in PAPER_POINTS {
            let dashes = DashedLineSeries::new([(low, cycles), (high, cycles)], 4, 4, PAPER.stroke_width(1));
            chart.draw_series(dashes).map_err(plot_error)?;
            let text = format!("{name}, {}", super::figures::number(cycles));
            let label = Text::new(text, (low * 1.08, cycles + top * 0.035), (FONT, 12).into_font().color(&PAPER));
            chart.draw_series([label]).map_err(plot_error)?;
        }
        for (name, points, colour) in [("stock Linux", &stock, STOCK), ("multiserver", &ours, OURS)] {
            let line = LineSeries::new(points.iter().copied(), colour.stroke_width(2)).point_size(3);
            chart
                .draw_series(line)
                .map_err(plot_error)?
                .label(name)
                .legend(move |(x, y)| PathElement::new(vec![(x, y), (x + 16, y)], colour.stroke_width(3)));
        }
        chart
            .configure_series_labels()
            .position(SeriesLabelPosition::LowerRight)
            .background_style(WHITE.mix(0.9))
            .border_style(PAPER)
            .label_font((FONT, 13))
            .draw()
            .map_err(plot_error)?;
        area.present().map_err(plot_error)?;
    }
    Ok(Some(svg))
}

/// Every ratio as a bar, stock Linux being the line at 1; nothing when no case has a ratio.
///
/// # Errors
/// The plotting library refused.
pub fn ratios(rows: &[Row]) -> Result<Option<String>> {
    let bars: Vec<(String, f64)> = rows.iter().filter_map(|row| Some((row.title(), row.ratio?))).collect();
    if bars.is_empty() {
        return Ok(None);
    }
    let count = bars.len() as f64;
    let right = bars.iter().map(|bar| bar.1).fold(1.0, f64::max) * 1.18;
    let height = 22 * bars.len() as u32 + 60;
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, (WIDTH, height)).into_drawing_area();
        area.fill(&WHITE).map_err(plot_error)?;
        let mut chart = ChartBuilder::on(&area)
            .margin(8)
            .x_label_area_size(40)
            .y_label_area_size(128)
            .build_cartesian_2d(0.0..right, count..0.0)
            .map_err(plot_error)?;
        chart
            .configure_mesh()
            .disable_y_mesh()
            .disable_y_axis()
            .light_line_style(TRANSPARENT)
            .x_desc("cost relative to stock Linux")
            .x_labels(6)
            .label_style((FONT, 13))
            .axis_desc_style((FONT, 13))
            .draw()
            .map_err(plot_error)?;
        for (index, (title, ratio)) in bars.iter().enumerate() {
            let top = index as f64;
            let colour = if *ratio > NOTICEABLE { OURS } else { STOCK };
            let bar = Rectangle::new([(0.0, top + 0.2), (*ratio, top + 0.8)], colour.filled());
            chart.draw_series([bar]).map_err(plot_error)?;
            let figure = Text::new(format!("{ratio:.2}"), (*ratio + right * 0.01, top + 0.22), (FONT, 12).into_font());
            chart.draw_series([figure]).map_err(plot_error)?;
            let (_, row) = chart.backend_coord(&(0.0, top + 0.22));
            let style = (FONT, 12).into_font().color(&BLACK);
            area.draw(&Text::new(title.clone(), (6, row), style)).map_err(plot_error)?;
        }
        let line = LineSeries::new([(1.0, 0.0), (1.0, count)], BLACK.stroke_width(1));
        chart.draw_series(line).map_err(plot_error)?;
        area.present().map_err(plot_error)?;
    }
    Ok(Some(svg))
}

fn plot_error(error: impl std::fmt::Display) -> anyhow::Error {
    anyhow!("cannot plot: {error}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::{compare, model, sample};

    fn rows(ours: &str) -> Vec<Row> {
        let stock = sample::parse(include_str!("testdata/stock.log"));
        compare::rows(&stock, &sample::parse(ours), &model::Model::default(), model::Counter::Instructions)
    }

    #[test]
    fn the_reread_plot_shows_both_systems_and_the_paper() {
        let svg = reread(&rows(include_str!("testdata/ours.log")), "cycles").expect("plots").expect("has points");
        for text in ["stock Linux", "multiserver", "3,000", "3,500", "4,200"] {
            assert!(svg.contains(text), "{text} is missing");
        }
        assert!(svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>"));
    }

    #[test]
    fn without_figures_there_is_no_plot() {
        assert!(reread(&[], "cycles").expect("plots").is_none());
        assert!(ratios(&rows("")).expect("plots").is_none());
    }

    #[test]
    fn each_ratio_has_a_bar() {
        let rows = rows(include_str!("testdata/ours.log"));
        let svg = ratios(&rows).expect("plots").expect("has bars");
        let titles = rows.iter().filter(|row| row.ratio.is_some()).map(Row::title);
        assert!(titles.into_iter().all(|title| svg.contains(&title)));
    }
}
